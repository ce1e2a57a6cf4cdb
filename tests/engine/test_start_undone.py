"""What cannot start leaves nothing behind: a failure is injected into every step of a start."""

from __future__ import annotations

import os
import socket
import threading

import pytest
from each_line import interrupting

import netcore.engine as engine_package
from netcore import Client, Engine, EventHandler, run
from netcore.engine import GivenListener, assembly, logs, process
from netcore.engine import engine as engine_module
from netcore.poll import open_poller
from netcore.testing import RecordingHandler


class Failure(BaseException):
    """Nothing that anybody expects."""


KINDS = [RuntimeError, MemoryError, KeyboardInterrupt, SystemExit, Failure]


@pytest.fixture
def nothing_left(open_descriptors, new_threads, tmp_path):
    """Checks an engine whose start has failed: ``nothing_left(engine)``."""
    before = open_descriptors()

    def check(engine):
        # Listeners too: to dial the port would tell nothing, which may be another program's by now.
        assert open_descriptors() <= before
        assert new_threads("netcore") == []
        assert os.listdir(tmp_path) == []
        assert not engine.running
        assert engine.stop() is True
        assert engine.join(0) is True
        with pytest.raises(RuntimeError, match="has stopped"):
            engine.start()

    return check


def failing_at(number, kind, function):
    """Wraps a function so that its call with this number, from 1 on, raises."""
    calls = []

    def call(*args, **named):
        calls.append(1)
        if len(calls) == number:
            raise kind("on purpose")
        return function(*args, **named)

    return call


@pytest.mark.once
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("module", "name", "number"),
    [
        (threading.Thread, "start", 1),
        (threading.Thread, "start", 2),
        (threading.Thread, "start", 3),
        (assembly, "open_sockets", 1),
        (assembly, "open_sockets", 3),
        (assembly, "Loop", 1),
        (assembly, "Loop", 2),
        (assembly.Opener, "open", 1),
        pytest.param(assembly.Opener, "open", 2, marks=pytest.mark.unix_sockets),
        (assembly, "Picker", 1),
        (engine_module, "socket_options", 1),
        (engine_module, "assemble", 1),
        (engine_module, "track", 1),
        (process._engines, "add", 1),
    ],
)
def test_every_step(monkeypatch, nothing_left, tmp_path, kind, module, name, number):
    addresses = ["tcp://127.0.0.1:0"] + [f"unix://{tmp_path}/s.sock"] * hasattr(socket, "AF_UNIX")
    handler = RecordingHandler()
    engine = Engine(handler, *addresses, num_event_loops=3)
    monkeypatch.setattr(module, name, failing_at(number, kind, getattr(module, name)))
    with pytest.raises(kind):
        engine.start()
    monkeypatch.undo()
    nothing_left(engine)
    assert handler.names() == [], "what has not booted cannot shut down"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hosted", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_kth_poller(nothing_left, kind, hosted, number):
    engine = Engine(
        EventHandler(), "tcp://127.0.0.1:0", num_event_loops=3, poller=failing_at(number, kind, open_poller)
    )
    with pytest.raises(kind):
        engine.start(hosted=hosted)
    nothing_left(engine)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hosted", [False, True])
def test_on_boot(nothing_left, kind, hosted):
    handler = RecordingHandler(on_boot=failing_at(1, kind, None))
    engine = Engine(handler, "tcp://127.0.0.1:0", num_event_loops=3)
    with pytest.raises(kind):
        engine.start(hosted=hosted)
    nothing_left(engine)
    assert handler.names() == ["on_boot", "on_shutdown"]


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("number", [1, 2])
def test_a_client_and_a_with_statement(monkeypatch, nothing_left, kind, number):
    client = Client(EventHandler(), num_event_loops=2)
    engine = Engine(EventHandler(), "tcp://127.0.0.1:0", num_event_loops=2)
    for each in (client, engine):
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", failing_at(number, kind, threading.Thread.start))
            with pytest.raises(kind), each:
                pytest.fail("it has started")
    nothing_left(engine)
    assert client.stop() is True and client.engine.loops[0].next_deadline is not None


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_run(monkeypatch, open_descriptors, new_threads, kind):
    before = open_descriptors()
    monkeypatch.setattr(threading.Thread, "start", failing_at(1, kind, threading.Thread.start))
    with pytest.raises(kind):
        run(EventHandler(), "tcp://127.0.0.1:0")
    assert open_descriptors() <= before
    assert new_threads("netcore") == []


def test_run_needs_no_thread_but_those_of_its_loops(monkeypatch):
    start = threading.Thread.start

    def only_loops(thread):
        if not thread.name.startswith("netcore-0"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", only_loops)
    handler = RecordingHandler(on_boot=lambda engine: engine.loops[0].execute(engine.stop) and None)
    run(handler, "tcp://127.0.0.1:0")
    assert handler.names() == ["on_boot", "on_shutdown"]


@pytest.mark.posix
@pytest.mark.parametrize("step", ["thread", "poller", "on_boot"])
def test_what_was_given_goes_back(monkeypatch, step):
    with socket.create_server(("127.0.0.1", 0)) as given:
        handler = RecordingHandler(on_boot=failing_at(1 if step == "on_boot" else 0, RuntimeError, int))
        poller = failing_at(2 if step == "poller" else 0, RuntimeError, open_poller)
        engine = Engine(handler, GivenListener(given.fileno()), num_event_loops=2, poller=poller)
        if step == "thread":
            monkeypatch.setattr(
                threading.Thread, "start", failing_at(2, RuntimeError, threading.Thread.start)
            )
        with pytest.raises(RuntimeError):
            engine.start()
        assert os.get_blocking(given.fileno())
        with socket.create_connection(given.getsockname()) as peer:
            accepted, _ = given.accept()
            with accepted:
                accepted.sendall(b"ours")
            assert peer.recv(4) == b"ours"


def test_a_log_file_that_cannot_be_opened_any_more(monkeypatch, nothing_left, tmp_path):
    engine = Engine(EventHandler(), "tcp://127.0.0.1:0", log_path=str(tmp_path / "log"))
    os.unlink(tmp_path / "log")
    monkeypatch.setattr(logs, "_Rotating", failing_at(1, OSError, None))
    with pytest.raises(OSError):
        engine.start()
    nothing_left(engine)


def test_an_engine_that_is_never_started_has_no_file_open(tmp_path, open_descriptors):
    before = open_descriptors()
    engine = Engine(EventHandler(), "tcp://127.0.0.1:0", log_path=str(tmp_path / "log"))
    assert open_descriptors() == before
    assert engine.stop()
    assert open_descriptors() == before
    with pytest.raises(OSError):
        Engine(EventHandler(), "tcp://127.0.0.1:0", log_path=str(tmp_path / "none" / "log"))


def test_a_connection_dialled_in_on_boot_is_told(serve):
    """It had its ``on_open``, so it has its ``on_close``, although the engine never ran."""
    server = serve(EventHandler())

    def on_boot(engine):
        engine.dial(server.addresses[0]).result(30)
        raise LookupError("on purpose")

    handler = RecordingHandler(on_boot=on_boot)
    client = Client(handler)
    with pytest.raises(LookupError):
        client.start()
    assert handler.names() == ["on_boot", "on_open", "on_close", "on_shutdown"]


STEPS = (
    "engine",
    "assembly",
    "choices",
    "given",
    "lifecycle",
    "logs",
    "picker",
    "process",
    "taking",
    "threads",
)
"""The modules that put together what a start needs."""


def interrupt():
    raise KeyboardInterrupt


def interrupted_at(number, hosted, tmp_path):
    """Starts an engine and raises KeyboardInterrupt at the line with this number, as a signal might.

    Returns:
        The engine, and whether there was such a line.
    """
    addresses = ["tcp://127.0.0.1:0"] + [f"unix://{tmp_path}/s.sock"] * hasattr(socket, "AF_UNIX")
    engine = Engine(EventHandler(), *addresses, num_event_loops=2)
    ours = os.path.dirname(engine_package.__file__)
    # In the midst of a bind the socket is the object's own, which goes with it.
    steps = {os.path.join(ours, f"{name}.py") for name in STEPS}
    try:
        interrupting(lambda: engine.start(hosted=hosted), interrupt, number, steps.__contains__)
    except KeyboardInterrupt:
        return engine, True
    return engine, False


@pytest.mark.once
@pytest.mark.parametrize("hosted", [False, True])
def test_an_interrupt_at_every_line(open_descriptors, new_threads, tmp_path, hosted):
    number, failed = 0, True
    before = open_descriptors()
    while failed:
        number += 1
        engine, failed = interrupted_at(number, hosted, tmp_path)
        if not failed:
            engine.stop()
            engine.end_hosted()
        if number < 4:  # before the first step it has not been started at all
            continue
        assert not engine.running, number
        assert engine.stop(0) is True, number
        assert new_threads("netcore") == [], number
        assert os.listdir(tmp_path) == [], number
        assert open_descriptors() <= before, number
    assert number > 60
