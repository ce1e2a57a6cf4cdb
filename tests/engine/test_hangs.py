"""Futures and stops that must come to an end."""

from __future__ import annotations

import threading

import pytest

from netcore import Client, Engine, EventHandler
from netcore.poll import open_poller
from netcore.testing import RecordingHandler


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", "x" * 300])
def test_dialling_a_name_that_cannot_be_encoded_fails(host):
    with Client(EventHandler()) as client:
        try:
            future = client.engine.dial(f"tcp://{host}:80", timeout=20)
        except ValueError:
            return
        with pytest.raises(OSError):
            future.result(30)


def test_dialling_with_a_timeout_that_is_no_number_fails():
    with Client(EventHandler()) as client, pytest.raises((TypeError, ValueError)):
        client.engine.dial("tcp://127.0.0.1:1", timeout="5").result(30)


def test_dialling_when_no_thread_is_left_fails(monkeypatch):
    with Client(EventHandler()) as client:
        start = threading.Thread.start

        def no_thread(self):
            if self.name == "netcore-resolve":
                raise RuntimeError("can't start new thread")
            start(self)

        monkeypatch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(RuntimeError):
            client.engine.dial("tcp://localhost:1").result(30)


def test_an_exit_in_on_open_of_a_dialled_connection_reaches_the_future(serve):
    class Leaving(EventHandler):
        def on_open(self, conn):
            raise SystemExit(3)

    engine = serve(RecordingHandler())
    with Client(Leaving()) as client:
        future = client.engine.dial(engine.addresses[0])
        future.exception(30)  # or the connection; but not for ever


def test_stop_while_the_engine_starts():
    stopped = []

    def factory():
        thread = threading.Thread(target=lambda: stopped.append(engine.stop(30)))
        thread.start()
        threads.append(thread)
        thread.join(0.2)
        return open_poller()

    threads = []
    engine = Engine(RecordingHandler(), "tcp://127.0.0.1:0", poller=factory)
    try:
        engine.start()
        threads[0].join(30)
        assert stopped == [True]
        assert not engine.running
    finally:
        engine.stop(30)


def test_no_tick_after_a_stop_in_on_boot():
    handler = RecordingHandler(on_boot=lambda engine: engine.stop() and None)
    engine = Engine(handler, "tcp://127.0.0.1:0", ticker=True)
    engine.start()
    assert engine.join(30)
    assert handler.names() == ["on_boot", "on_shutdown"]


def test_a_poller_that_fails_to_close_does_not_keep_the_engine():
    def factory():
        poller = open_poller()
        close = poller.close

        def failing():
            close()
            raise OSError(9, "on purpose")

        poller.close = failing
        return poller

    engine = Engine(RecordingHandler(), "tcp://127.0.0.1:0", poller=factory)
    engine.start()
    assert engine.stop(30)


def test_a_cpu_that_cannot_be_had_does_not_keep_the_engine(monkeypatch):
    def refuse(pid, mask):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr("os.sched_setaffinity", refuse, raising=False)
    engine = Engine(RecordingHandler(), "tcp://127.0.0.1:0", cpu_affinity=True)
    engine.start()
    assert engine.stop(30)
