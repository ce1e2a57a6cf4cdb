"""``shutdown_delay``: between the word that an engine is to stop, and its stop."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from netcore import Action, Client, Engine, EventHandler
from netcore.poll import open_poller
from netcore.testing import RecordingHandler


def echo(**callbacks):
    return RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None, **callbacks)


def ask(engine, data=b"hello"):
    address = engine.addresses[0]
    with socket.create_connection((address.host, address.port), timeout=30) as sock:
        sock.sendall(data)
        return sock.recv(100)


@pytest.mark.parametrize("loops", [1, 2])
def test_it_serves_on_but_wants_nobody(serve, loops):
    engine = serve(echo(), shutdown_delay=3600, num_event_loops=loops)
    assert (engine.accepting, engine.leaving, engine.wait_leaving(0)) == (True, False, False)
    assert not engine.stop(0)
    assert (engine.accepting, engine.leaving, engine.running, engine.stopping) == (False, True, True, False)
    assert engine.wait_leaving(30)
    assert ask(engine) == b"hello"
    assert not engine.stop(0), "once more is no more"
    assert ask(engine) == b"hello"
    assert not engine.overdue()
    engine.stop_now()
    assert engine.join(30)
    assert not engine.leaving
    with pytest.raises(ConnectionRefusedError):
        ask(engine)


def test_then_it_stops(serve):
    engine = serve(echo(), shutdown_delay=0.2)
    begun = time.monotonic()
    asking = threading.Thread(target=engine.request_stop)
    asking.start()
    assert engine.wait_leaving(30)
    assert engine.stop()
    assert time.monotonic() - begun >= 0.2
    asking.join()
    assert engine.stopping


def test_an_action_of_a_handler_is_delayed_as_well(serve):
    engine = serve(RecordingHandler(on_traffic=lambda conn: Action.SHUTDOWN), shutdown_delay=3600)
    address = engine.addresses[0]
    with socket.create_connection((address.host, address.port), timeout=30) as sock:
        sock.sendall(b"x")
        assert engine.wait_leaving(30)
    assert engine.running
    engine.stop_now()
    assert engine.join(30)


@pytest.mark.parametrize("how", ["asked while it starts", "by on_boot"])
def test_one_that_has_never_served_does_not_wait(how):
    def on_boot(engine):
        if how == "by on_boot":
            return Action.SHUTDOWN
        engine.stop()
        return None

    engine = Engine(RecordingHandler(on_boot=on_boot), "tcp://127.0.0.1:0", shutdown_delay=3600)
    engine.start()
    assert engine.join(30)


def test_without_listeners_there_is_nobody_to_tell(serve):
    with Client(EventHandler(), shutdown_delay=3600):
        pass
    engine = serve(echo(), shutdown_delay=3600)
    engine.stop_accepting()
    assert engine.stop()
    engine = serve(echo(), shutdown_delay=3600)
    engine.stop_listening(engine.addresses[0])
    assert engine.stop()


def test_a_loop_that_hangs_keeps_no_other_from_stopping(serve, caplog):
    release = threading.Event()
    handler = echo()
    engine = serve(handler, shutdown_delay=0.05, shutdown_timeout=0.05, num_event_loops=2)
    hanging = threading.Event()
    engine.loops[0].execute(lambda: (hanging.set(), release.wait(30)))
    assert hanging.wait(30)
    try:
        assert not engine.stop()
        assert engine.stopping
        until = time.monotonic() + 30
        while not engine.overdue():  # its loops have begun to stop a little after the call
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        release.set()
    assert engine.join(30)


def test_a_loop_that_fails_takes_the_engine_with_it_at_once(serve, caplog):
    class Failing:
        def __init__(self):
            self._poller = open_poller()
            self.broken = False

        def __getattr__(self, name):
            return getattr(self._poller, name)

        def wait(self, timeout):
            if self.broken:
                raise RuntimeError("broken on purpose")
            return self._poller.wait(timeout)

    pollers = []

    def opened():
        pollers.append(Failing())
        return pollers[-1]

    engine = serve(echo(), shutdown_delay=3600, num_event_loops=2, poller=opened)
    pollers[1].broken = True
    pollers[1].wake()
    assert engine.join(30)
