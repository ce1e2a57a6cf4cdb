"""Start, stop, and everything between, of an engine."""

from __future__ import annotations

import errno
import logging
import os
import socket
import stat
import threading

import pytest

from netcore import (
    Action,
    CloseReason,
    Engine,
    EngineNotRunningError,
    EventHandler,
    InvalidAddressError,
    OptionsError,
    PollerUnavailableError,
    UnsupportedProtocolError,
)
from netcore.engine.lifecycle import Lifecycle
from netcore.testing import RecordingHandler


def test_boot_and_shutdown_frame_everything(serve, dial):
    handler = RecordingHandler(on_boot=lambda engine: addresses.append(engine.addresses[0].port) and None)
    addresses = []
    engine = serve(handler)
    assert engine.running
    assert addresses == [engine.addresses[0].port]
    dial(engine)
    handler.wait_for("on_open")
    assert engine.connection_count == 1
    assert engine.stop() is True
    assert engine.stop() is True
    assert engine.join() is True
    assert not engine.running
    assert handler.names() == ["on_boot", "on_open", "on_close", "on_shutdown"]
    assert handler.events[-2].conn.close_reason is CloseReason.SHUTDOWN
    assert engine.connection_count == 0


def test_an_engine_runs_once():
    with (
        Engine(EventHandler(), "tcp://127.0.0.1:0") as engine,
        pytest.raises(RuntimeError, match="is running"),
    ):
        engine.start()
    with pytest.raises(RuntimeError, match="has stopped"):
        engine.start()


def test_an_engine_that_was_never_started_can_be_stopped():
    engine = Engine(EventHandler(), "tcp://127.0.0.1:0")
    assert not engine.running
    assert engine.stop() is True


def test_calls_that_need_a_running_engine():
    engine = Engine(EventHandler(), "tcp://127.0.0.1:0")
    for _ in range(2):
        for call in (engine.stop_accepting, lambda: engine.drain(1), engine.dup_listener):
            with pytest.raises(EngineNotRunningError):
                call()
        engine.stop()


@pytest.mark.parametrize("name", ["on_open", "on_traffic", "on_eof", "on_close", "on_tick"])
def test_shutdown_from_each_callback(serve, dial, name):
    handler = RecordingHandler(
        **{name: lambda *args: Action.SHUTDOWN if name != "on_tick" else args[0].stop()}
    )
    engine = serve(handler, ticker=name == "on_tick")
    if name != "on_tick":
        sock = dial(engine)
        sock.sendall(b"x")
        handler.wait_for("on_open")
        sock.close()
    assert engine.join(30)
    assert handler.names()[-1] == "on_shutdown"
    assert handler.names().count("on_open") == handler.names().count("on_close")


def test_shutdown_from_on_boot():
    handler = RecordingHandler(on_boot=lambda engine: Action.SHUTDOWN)
    engine = Engine(handler, "tcp://127.0.0.1:0")
    engine.start()
    assert not engine.running
    assert handler.names() == ["on_boot", "on_shutdown"]


def test_an_exception_in_on_boot_is_raised_by_start(open_descriptors):
    handler = RecordingHandler(on_boot=lambda engine: 1 / 0)
    engine = Engine(handler, "tcp://127.0.0.1:0")
    before = open_descriptors()
    with pytest.raises(ZeroDivisionError):
        engine.start()
    assert not engine.running
    assert open_descriptors() <= before  # what an earlier test's threads had open may go in the meantime


def test_stop_on_a_loop_thread_returns_false_at_once(serve, dial):
    results = []
    handler = RecordingHandler(on_open=lambda conn: results.extend([engine.stop(), engine.join()]))
    engine = serve(handler)
    dial(engine)
    assert engine.join(30)
    assert results == [False, False]


def test_stop_sends_what_is_buffered(serve, dial, receive):
    size = 4 << 20
    handler = RecordingHandler(on_open=lambda conn: conn.write(b"s" * size) and None)
    engine = serve(handler)
    sock = dial(engine)
    handler.wait_for("on_open")
    stopping = threading.Thread(target=engine.stop)
    stopping.start()
    assert receive(sock, size + 1) == b"s" * size
    stopping.join(30)
    assert not stopping.is_alive()


def test_stop_does_not_wait_for_a_stuck_peer_for_ever(serve, dial):
    asked = threading.Event()
    handler = RecordingHandler(
        on_open=lambda conn: conn.write(b"s" * (32 << 20)) and None, on_shutdown=lambda engine: asked.wait(30)
    )
    engine = serve(handler, shutdown_timeout=0.2)
    dial(engine)
    handler.wait_for("on_open")
    assert engine.stop(0) is False
    asked.set()  # not before, or the engine might have ended by the time that it was asked
    assert engine.stop(30) is True
    assert isinstance(handler.wait_for("on_close").detail, TimeoutError)


def test_stop_accepting_and_drain(serve, dial, receive):
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)
    engine = serve(handler)
    sock = dial(engine)
    handler.wait_for("on_open")
    engine.stop_accepting()
    done = threading.Event()
    engine.loops[0].execute(done.set)
    assert done.wait(30)
    with pytest.raises(ConnectionRefusedError):
        dial(engine)
    sock.sendall(b"still")
    assert receive(sock, 5) == b"still"
    assert engine.drain(0.05) is False
    sock.close()
    assert engine.drain(30) is True
    assert engine.running


def test_dup_listener(serve):
    engine = serve(EventHandler(), "tcp://127.0.0.1:0", "tcp4://127.0.0.1:0")
    for address in (None, engine.addresses[1], str(engine.addresses[1])):
        with socket.socket(fileno=engine.dup_listener(address)) as copy:
            port = engine.addresses[0 if address is None else 1].port
            assert copy.getsockname()[1] == port
            assert not copy.get_inheritable()
    with pytest.raises(ValueError, match="does not listen"):
        engine.dup_listener("tcp://127.0.0.1:1")


def test_get_finds_open_connections_by_id(serve, dial):
    handler = RecordingHandler()
    engine = serve(handler, num_event_loops=2)
    for _ in range(4):
        dial(engine)
    handler.wait_for("on_open", 4)
    for event in handler.events:
        if event.name == "on_open":
            assert engine.get(event.conn.id) is event.conn
    assert engine.get(0) is None


def test_ticks(serve):
    delays = iter([0.001, 0.001, None])
    handler = RecordingHandler(on_tick=lambda engine: next(delays))
    serve(handler, ticker=True)
    handler.wait_for("on_tick", 3)
    assert handler.names()[:2] == ["on_boot", "on_tick"]


def test_address_in_use_leaves_nothing_open(serve, dial, tmp_path, open_descriptors):
    handler = RecordingHandler()
    engine = serve(handler)
    dial(engine)
    handler.wait_for("on_open")  # by now it has opened all that it keeps open
    before = open_descriptors()
    taken = str(engine.addresses[0])
    others = [f"unix://{tmp_path}/x.sock"] * hasattr(socket, "AF_UNIX") + ["tcp://127.0.0.1:0"]
    second = Engine(EventHandler(), *others, taken, num_event_loops=2)
    with pytest.raises(OSError, match=r"127\.0\.0\.1") as caught:
        second.start()
    assert caught.value.errno == errno.EADDRINUSE
    assert open_descriptors() == before
    assert os.listdir(tmp_path) == []
    assert not second.running


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        ((), {}, InvalidAddressError),
        (("127.0.0.1:80",), {}, InvalidAddressError),
        (("quic://:80",), {}, UnsupportedProtocolError),
        (("tcp://:0",), {"no_such_option": 1}, OptionsError),
        (("tcp://:0",), {"num_event_loops": -1}, OptionsError),
        (("tcp://:0",), {"low_water": 10, "high_water": 5}, OptionsError),
        (("tcp://:0",), {"load_balancer": "fair"}, OptionsError),
        (("tcp://:0",), {"load_balancer": object()}, OptionsError),
        (("tcp://:0",), {"poller": 5}, OptionsError),
        (("tcp://:0",), {"poller": "kpoll"}, PollerUnavailableError),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_opened(arguments, options, error, open_descriptors):
    before = open_descriptors()
    with pytest.raises(error) as caught:
        Engine(EventHandler(), *arguments, **options)
    assert open_descriptors() == before
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("handler", [None, EventHandler])
def test_a_handler_that_is_no_object_is_refused(handler):
    with pytest.raises(TypeError, match="must be an EventHandler object"):
        Engine(handler, "tcp://127.0.0.1:0")


@pytest.mark.unix_sockets
def test_unix_socket_files(serve, tmp_path):
    path = tmp_path / "s.sock"
    engine = serve(EventHandler(), f"unix://{path}")
    assert stat.S_ISSOCK(path.stat().st_mode)
    with pytest.raises(OSError, match=r"s\.sock") as caught:
        Engine(EventHandler(), f"unix://{path}").start()
    assert caught.value.errno == errno.EADDRINUSE, "a live listener's file was taken"
    engine.stop()
    assert not path.exists()


@pytest.mark.unix_sockets
def test_a_dead_socket_file_is_replaced(serve, tmp_path):
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    serve(EventHandler(), f"unix://{path}").stop()
    assert not path.exists()


@pytest.mark.unix_sockets
def test_what_is_no_socket_is_never_unlinked(tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(OSError, match="precious") as caught:
        Engine(EventHandler(), f"unix://{path}").start()
    assert caught.value.errno == errno.EADDRINUSE
    assert path.read_text() == "data"


@pytest.mark.unix_sockets
def test_a_successors_socket_file_stays(serve, tmp_path):
    path = tmp_path / "s.sock"
    engine = serve(EventHandler(), f"unix://{path}")
    path.unlink()
    with socket.socket(socket.AF_UNIX) as successor:
        successor.bind(str(path))
        engine.stop()
        assert path.exists()


def test_a_log_file_of_its_own(serve, dial, tmp_path):
    log = tmp_path / "server.log"
    handler = EventHandler()
    handler.on_traffic = lambda conn: 1 / 0
    engine = serve(handler, log_path=str(log), log_level=logging.WARNING)
    sock = dial(engine)
    sock.sendall(b"x")
    assert sock.recv(1) == b""
    engine.stop()
    assert "ZeroDivisionError" in log.read_text()


def test_a_logger_per_engine(serve, dial):
    records = []

    class Keep(logging.Handler):
        def emit(self, record):
            records.append(record)

    logger = logging.Logger("mine")
    logger.addHandler(Keep())
    handler = EventHandler()
    handler.on_open = lambda conn: 1 / 0
    sock = dial(serve(handler, logger=logger))
    assert sock.recv(1) == b""
    assert records[0].exc_info[0] is ZeroDivisionError


def test_an_exception_in_on_shutdown_is_logged(serve, caplog):
    engine = serve(RecordingHandler(on_shutdown=lambda engine: 1 / 0))
    assert engine.stop(30)
    assert "on_shutdown failed" in caplog.text


def test_stop_in_on_shutdown_does_not_wait_for_itself(serve):
    engine = serve(RecordingHandler(on_shutdown=lambda engine: engine.stop()))
    assert engine.stop(30)


def test_in_a_fork_nobody_waits_for_what_no_thread_can_do():
    life = Lifecycle()
    life.begin(object())
    life.started()
    assert life.abandon()
    assert life.wait_leaving(0)
    assert life.wait(0)
