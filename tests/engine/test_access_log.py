"""One line for each connection that has ended, by a logger of its own, at nobody's expense."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from contextlib import suppress

import pytest

from netcore import Action, Address, Client, Engine, EventHandler, OptionsError
from netcore.eventloop import AccessLog, access_log, access_logger
from netcore.logs import JsonFormatter
from netcore.proxy import ProxyHeader, encode
from netcore.testing import RecordingHandler

PATIENCE = 30


class Echo(EventHandler):
    def on_traffic(self, conn):
        data = conn.read()
        if data == b"fail":
            raise ValueError("on purpose\nand more")
        conn.write(data)


class Kept(logging.Handler):
    """Keeps records, and lets a test wait for some."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)

    def wait(self, count=1):
        deadline = time.monotonic() + PATIENCE
        while len(self.records) < count:
            assert time.monotonic() < deadline, self.records
            time.sleep(0.002)
        return self.records


@pytest.fixture
def kept():
    """What the logger ``netcore.access`` is given, at the level INFO."""
    logger, handler = logging.getLogger("netcore.access"), Kept()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)
    logger.propagate = propagate


def test_an_orderly_end(serve, dial, receive, kept):
    engine = serve(Echo(), access_log=True)
    sock = dial(engine)
    here, there = "{}:{}".format(*sock.getsockname()), "{}:{}".format(*sock.getpeername())
    sock.sendall(b"ping")
    assert receive(sock, 4) == b"ping"
    assert not kept.records
    before = time.time()
    sock.close()
    (record,) = kept.wait()
    assert record.name == "netcore.access" and record.levelno == logging.INFO
    assert (record.network, record.remote, record.local) == ("tcp", here, there)
    assert (record.reason, record.error) == ("eof", None)
    assert (record.bytes_received, record.bytes_sent) == (4, 4)
    assert 0 < record.seconds < PATIENCE and record.connection > 0 and record.loop == 0
    assert before <= record.created <= time.time()
    assert record.getMessage() == (
        f"tcp {here} to {there}: eof after {record.seconds:.3f} s, 4 bytes received, 4 sent"
    )
    assert not hasattr(record, "proxy")
    assert {"connection", "reason", "seconds"} <= set(json.loads(JsonFormatter().format(record)))


def test_other_ends(serve, dial, kept):
    engine = serve(Echo(), access_log=True)
    sock = dial(engine)
    sock.sendall(b"fail")
    (record,) = kept.wait()
    assert (record.reason, record.error) == ("error", r"on purpose\nand more")
    idle = dial(engine)
    deadline = time.monotonic() + PATIENCE
    while engine.connection_count != 1:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    engine.stop()
    assert kept.wait(2)[1].reason == "shutdown"
    idle.close()


def test_it_is_complete_when_the_engine_has_ended(serve, dial, kept):
    engine = serve(RecordingHandler(on_open=lambda conn: Action.CLOSE), access_log=True)
    for _ in range(50):
        with dial(engine) as sock:
            assert sock.recv(1) == b""
    assert engine.stop()
    assert len(kept.records) == 50
    assert len({record.connection for record in kept.records}) == 50


def test_a_proxy_is_named_beside_its_client(serve, dial, kept):
    engine = serve(Echo(), access_log=True, proxy_protocol=True)
    sock = dial(engine)
    sock.sendall(encode(ProxyHeader(Address("tcp", "192.0.2.7", 4711), engine.addresses[0])))
    own = "{}:{}".format(*sock.getsockname())
    sock.close()
    (record,) = kept.wait()
    assert (record.remote, record.proxy) == ("192.0.2.7:4711", own)


def test_who_has_never_opened_is_not_in_it(serve, dial, kept):
    engine = serve(Echo(), access_log=True, proxy_protocol=True)
    with dial(engine) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with suppress(ConnectionError):
            assert sock.recv(1) == b""
    assert engine.stop()
    assert engine.metrics().unopened == 1
    assert not kept.records


def test_dialled_connections_are_in_it(serve, kept):
    engine = serve(EventHandler(), "udp://127.0.0.1:0")
    with Client(EventHandler(), access_log=True) as client:
        conn = client.dial(engine.addresses[0])
        conn.async_write(b"ping")
        conn.close()
        (record,) = kept.wait()
    assert (record.network, record.reason, record.bytes_sent) == ("udp", "local", 4)


@pytest.mark.parametrize("how", [{}, {"access_log": False}])
def test_it_is_silent_unasked(serve, dial, kept, how):
    engine = serve(Echo(), **how)
    assert engine._company.access_log is None
    dial(engine).close()
    assert engine.stop()
    assert not kept.records


def test_a_level_above_switches_it_off(serve, dial, kept):
    logging.getLogger("netcore.access").setLevel(logging.WARNING)
    engine = serve(Echo(), access_log=True)
    dial(engine).close()
    assert engine.stop()
    assert not kept.records


def test_it_goes_to_the_file_of_the_engine(tmp_path, serve, dial):
    path = tmp_path / "log"
    engine = serve(Echo(), access_log=True, log_path=str(path))
    dial(engine).close()
    deadline = time.monotonic() + PATIENCE
    while "netcore.access: tcp" not in path.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.002)
    assert engine.stop()


def test_which_logger_it_is():
    own = logging.getLogger("application.server")
    assert access_logger(own) is logging.getLogger("application.server.access")
    assert access_logger(logging.getLogger("netcore")) is logging.getLogger("netcore.access")
    private = logging.Logger("private", logging.INFO)
    made = access_logger(private)
    assert made.parent is private and made.isEnabledFor(logging.INFO)
    assert made is not logging.getLogger("netcore.access")


class Gone:
    """A connection that has ended."""

    id, network, close_reason, ending, proxy, age = 7, "tcp", None, None, None, 1.5
    bytes_received, bytes_sent = 10, 20
    local_address = remote_address = Address("tcp", "192.0.2.1", 1)

    class loop:
        index = 0


@pytest.fixture
def log():
    """An access log of a logger and handler of its own: ``log, handler``."""
    logger, handler = logging.Logger("access", logging.INFO), Kept()
    logger.addHandler(handler)
    made = AccessLog(logger)
    yield made, handler
    made.finish()


def test_who_logs_does_not_wait_and_what_is_lost_is_counted(log, monkeypatch):
    monkeypatch.setattr(access_log, "_MOST", 3)
    made, handler = log
    busy, let_go = threading.Event(), threading.Event()

    def emit(record, emit=handler.emit):
        busy.set()
        assert let_go.wait(PATIENCE)
        emit(record)

    handler.emit = emit
    made.start()
    made.note(Gone())
    assert busy.wait(PATIENCE)
    for _ in range(10):
        made.note(Gone())
    let_go.set()
    lines = [record.getMessage() for record in handler.wait(5)]
    assert len([line for line in lines if "10 bytes received" in line]) == 4
    assert lines[-1] == "7 connections are missing here: the log could not keep up"


def test_a_handler_that_fails_costs_its_line(log, capsys):
    made, handler = log
    failing = [SystemExit(), ValueError("on purpose")]

    def emit(record, emit=handler.emit):
        if failing:
            raise failing.pop()
        emit(record)

    handler.emit = emit
    made.start()
    for _ in range(3):
        made.note(Gone())
    handler.wait(1)
    made.finish()
    assert len(handler.records) == 1
    assert "on purpose" in capsys.readouterr().err


def test_the_end_waits_for_what_is_left_but_not_for_ever(log, monkeypatch):
    monkeypatch.setattr(access_log, "_PATIENCE", 0.05)
    made, handler = log
    let_go = threading.Event()
    handler.emit = lambda record: let_go.wait(PATIENCE)
    made.start()
    made.note(Gone())
    made.finish()
    made.finish()
    let_go.set()


def test_the_end_without_a_beginning(log):
    made, _ = log
    began = time.monotonic()
    made.finish()
    assert time.monotonic() - began < access_log._PATIENCE
    Engine(Echo(), "tcp://127.0.0.1:0", access_log=True).stop()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")
def test_a_forked_child_writes_nothing(serve, dial, kept):
    engine = serve(Echo(), access_log=True)
    sock = dial(engine)
    pid = os.fork()
    if pid == 0:
        engine.stop(0.01)
        os._exit(len(kept.records))
    assert os.waitpid(pid, 0)[1] == 0
    sock.close()
    kept.wait(1)


@pytest.mark.posix
def test_a_full_pipe_holds_no_loop_up(serve, dial, receive):
    reading, writing = os.pipe()
    stream = open(writing, "w", buffering=1)  # noqa: SIM115
    logger = logging.Logger("piped", logging.INFO)
    logger.addHandler(logging.StreamHandler(stream))
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writing, True)
    engine = serve(Echo(), access_log=True, logger=logger)
    for _ in range(5):
        with dial(engine) as sock:
            sock.sendall(b"ping")
            assert receive(sock, 4) == b"ping"
    os.set_blocking(reading, False)
    text, deadline = b"", time.monotonic() + PATIENCE
    while text.count(b"4 bytes received") < 5:
        assert time.monotonic() < deadline
        try:
            text += os.read(reading, 1 << 16)
        except BlockingIOError:
            time.sleep(0.002)
    assert engine.stop()
    stream.close()
    os.close(reading)


def test_the_ends_of_both_halves(world, half, log):
    made, handler = log
    made.start()
    w = world(shared={"access_log": made})
    conns = [w.connect() for _ in range(3)]
    w.sockets.feed_eof(conns[0].fd)
    w.turns(2)
    conns[1].abort()
    conns[2].close()
    w.turns(2)
    reasons = {record.connection: record.reason for record in handler.wait(3)}
    assert reasons == {conns[0].id: "eof", conns[1].id: "local", conns[2].id: "local"}


@pytest.mark.parametrize("wrong", [1, None, "yes"])
def test_odd_values_are_refused(wrong):
    with pytest.raises(OptionsError, match="access_log"):
        Engine(Echo(), "tcp://127.0.0.1:0", access_log=wrong)


def test_unix_peers(serve, kept, tmp_path):
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("needs Unix sockets")
    engine = serve(Echo(), f"unix://{tmp_path}/s", access_log=True)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"{tmp_path}/s")
    (record,) = kept.wait()
    assert engine.stop()
    assert (record.network, record.remote, record.local) == ("unix", "", f"{tmp_path}/s")
    assert record.getMessage().startswith(f"unix - to {tmp_path}/s: eof after ")
