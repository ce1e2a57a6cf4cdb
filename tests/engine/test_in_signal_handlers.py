"""The calls that any thread may make, in the midst of one another: on an engine, and with real signals."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading

import pytest
from each_line import at_every_line, interrupting

import netcore
from netcore import Client, Engine, EventHandler
from netcore.testing import RecordingHandler
from netcore.worker import WorkerPool

CALLS = {
    "execute": lambda engine, conn: engine.loops[0].execute(int),
    "schedule": lambda engine, conn: engine.loops[0].schedule(0, int),
    "dial": lambda engine, conn: engine.dial(engine.addresses[0]),
    "dup": lambda engine, conn: os.close(conn.dup()),
    "set_read_buffer": lambda engine, conn: conn.set_read_buffer(65536),
    "set_no_delay": lambda engine, conn: conn.set_no_delay(True),
    "local_address": lambda engine, conn: conn.local_address,
    "dup_listener": lambda engine, conn: os.close(engine.dup_listener()),
    "metrics": lambda engine, conn: engine.metrics(),
    "join": lambda engine, conn: engine.join(0),
    "stop": lambda engine, conn: engine.stop(30),
    "drain": lambda engine, conn: engine.drain(0),
    "listen": lambda engine, conn: engine.stop_listening(engine.listen("tcp://127.0.0.1:0")),
    "rebalance": lambda engine, conn: engine.rebalance(),
    "stop_accepting": lambda engine, conn: engine.stop_accepting(),
    "async_write": lambda engine, conn: conn.async_write(b"x"),
    "close": lambda engine, conn: conn.close(),
}

GONE = (netcore.EngineNotRunningError, netcore.ConnectionClosedError, OSError)


@pytest.mark.posix
@pytest.mark.parametrize(
    ("name", "waiting"),
    [
        *((name, "stop") for name in CALLS),
        *((name, "drain") for name in ("execute", "schedule", "async_write")),
    ],
)
def test_stop_and_drain_in_the_midst_of_each_call(name, waiting):
    """They may wait, but not for the very call that they have interrupted."""

    def run(number):
        handler = RecordingHandler()
        engine = Engine(handler, "tcp://127.0.0.1:0", num_event_loops=2, shutdown_timeout=20)
        engine.start()
        with socket.create_connection(("127.0.0.1", engine.addresses[0].port)) as peer:
            conn = handler.wait_for("on_open").conn

            def nested():
                peer.close()
                results.append(engine.stop() if waiting == "stop" else engine.drain(30))

            results = []
            try:
                found = interrupting(lambda: CALLS[name](engine, conn), nested, number)
            except GONE:
                found = True
        assert engine.stop(30), number
        assert handler.names()[-1] == "on_shutdown"
        assert results in ([], [True], [False])
        return found

    assert at_every_line(run) >= 2


@pytest.mark.posix
@pytest.mark.parametrize("name", CALLS)
def test_real_signals(name):
    """One handler makes the same call as the main thread, thousands of times."""
    handler = RecordingHandler()
    with (
        Engine(handler, "tcp://127.0.0.1:0", num_event_loops=2) as engine,
        socket.create_connection(("127.0.0.1", engine.addresses[0].port)),
    ):
        conn = handler.wait_for("on_open").conn
        call = CALLS[name] if name != "stop" else (lambda engine, conn: engine.running)
        hits, nested = [], []

        def on_signal(*_):
            hits.append(1)
            if len(nested) == 3:  # on a busy machine they come faster than they are handled
                return
            nested.append(1)
            try:
                call(engine, conn)
            except GONE:
                pass
            finally:
                nested.pop()

        former = signal.signal(signal.SIGALRM, on_signal)
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
        try:
            while len(hits) < 200:
                try:
                    call(engine, conn)
                except GONE:
                    pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, former)
    assert handler.names()[-1] == "on_shutdown"


@pytest.mark.posix
def test_a_client_dials_in_a_signal_handler(serve):
    server = serve(EventHandler())
    with Client(EventHandler()) as client:
        conns = []
        former = signal.signal(signal.SIGUSR1, lambda *_: conns.append(client.dial(server.addresses[0])))
        try:
            for _ in range(20):
                conns.append(client.dial(server.addresses[0]))
                os.kill(os.getpid(), signal.SIGUSR1)
        finally:
            signal.signal(signal.SIGUSR1, former)
        assert len(conns) == 40


def test_a_balancer_is_never_asked_inside_a_call_of_its_own():
    class Asked:
        def __init__(self):
            self.depth = self.deepest = 0

        def pick(self, loops, remote):
            self.depth += 1
            self.deepest = max(self.deepest, self.depth)
            if remote is not None and self.depth == 1:
                futures.append(engine.dial(engine.addresses[0]))  # as a finalizer might
            self.depth -= 1
            return loops[0]

    futures = []
    balancer = Asked()
    with Engine(EventHandler(), "tcp://127.0.0.1:0", load_balancer=balancer, num_event_loops=2) as engine:
        futures.append(engine.dial(engine.addresses[0]))
        for future in futures:
            future.result(30)
        assert balancer.deepest == 1


def test_a_worker_pool_is_given_a_job_in_the_midst_of_a_job():
    def run(number):
        with WorkerPool(2) as pool:
            futures = []

            def submit():
                futures.append(pool.submit(int))

            found = interrupting(submit, submit, number)
            assert [future.result(30) for future in futures] == [0] * (1 + found)
        return found

    assert at_every_line(run) >= 5


def test_finalizers_on_the_threads_of_loops(serve, dial):
    """The collector runs them at any step, and what they call there is on the loop's own thread."""

    class Closing:
        def __init__(self, conn, done):
            self.conn, self.done, self.cycle = conn, done, self

        def __del__(self):
            self.conn.async_write(b"bye", self.done)
            self.conn.close()

    written = threading.Semaphore(0)

    def on_open(conn):
        for _ in range(10):
            Closing(conn, lambda *_: written.release())

    handler = RecordingHandler(on_open=on_open)
    engine = serve(handler)
    socks = [dial(engine) for _ in range(20)]
    handler.wait_for("on_open", 20)
    engine.loops[0].execute(gc.collect)
    for _ in range(200):
        assert written.acquire(timeout=30)
    handler.wait_for("on_close", 20)
    for sock in socks:
        assert sock.recv(3) == b"bye"
