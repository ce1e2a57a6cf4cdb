"""Connections that change their loop: what stays, what does not move, and that nothing is lost on the way."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from movers import HALVES, crowded, give, skip_where_they_stay, until

from netcore import (
    CloseReason,
    ConnectionClosedError,
    Engine,
    EngineNotRunningError,
    EventHandler,
    OptionsError,
    Timeout,
)
from netcore.poll.select import SelectPoller
from netcore.testing import RecordingHandler
from netcore.worker import WorkerPool


@pytest.fixture(autouse=True)
def _where_connections_move():
    skip_where_they_stay()


def counts(engine):
    return sorted(loop.connection_count for loop in engine.loops)


def echo(conn):
    conn.write(conn.read())


@pytest.mark.parametrize("options", HALVES)
def test_idle_connections_spread(serve, dial, receive, options):
    handler = RecordingHandler(on_traffic=echo)
    engine = serve(handler, num_event_loops=3, **crowded, **options)
    peers = [dial(engine) for _ in range(31)]
    until(lambda: len(engine.connections()) == 31)
    conns = {conn.id: conn for conn in engine.connections()}
    before = {conn.id: (conn.fd, conn.local_address, conn.remote_address) for conn in conns.values()}
    for conn in conns.values():
        conn.context = conn.id
    until(lambda: counts(engine) == [0, 0, 31])
    assert engine.rebalance() == 20
    until(lambda: counts(engine) == [10, 10, 11])
    until(lambda: engine.connection_count == engine.metrics().connections == 31)
    assert engine.rebalance() == 0
    for peer in peers:
        peer.sendall(b"moved")
        assert receive(peer, 5) == b"moved"
    for conn in engine.connections():
        assert conn is conns[conn.id] is engine.get(conn.id)
        assert conn.context == conn.id
        assert (conn.fd, conn.local_address, conn.remote_address) == before[conn.id]
        assert conn in conn.loop.connections()
    for peer in peers:
        peer.close()
    assert engine.drain(30)
    assert handler.names().count("on_open") == handler.names().count("on_close") == 31
    assert {conn.close_reason for conn in conns.values()} == {CloseReason.EOF}


def test_what_is_asked_for_reaches_the_new_loop(serve, dial, receive):
    handler = RecordingHandler(on_traffic=lambda conn: seen.append(conn.loop.in_loop()) or echo(conn))
    seen = []
    engine = serve(handler, num_event_loops=2, **crowded)
    peer = dial(engine)
    conn = handler.wait_for("on_open").conn
    first = conn.loop
    other = next(loop for loop in engine.loops if loop is not first)
    give(first, other)
    until(lambda: conn.loop is other)
    done = []
    conn.async_write(b"one", lambda conn, error: done.append((error, other.in_loop())))
    conn.wake(lambda conn, error: done.append((error, other.in_loop())))
    until(lambda: len(done) == 2)
    assert done == [(None, True), (None, True)]
    assert receive(peer, 3) == b"one"
    conn.pause_reading()
    until(lambda: conn.paused)
    peer.sendall(b"two")
    conn.resume_reading()
    assert receive(peer, 3) == b"two"
    conn.set_no_delay(True)
    conn.close(lambda conn, error: done.append((error, other.in_loop())))
    until(lambda: len(done) == 3)
    assert done[2] == (None, True)
    assert all(seen)
    with pytest.raises(ConnectionClosedError):
        conn.dup()


@pytest.mark.parametrize("kind", [Timeout.IDLE, Timeout.READ])
def test_deadlines_go_on(serve, dial, kind):
    name = {Timeout.IDLE: "set_deadline", Timeout.READ: "set_read_deadline"}[kind]
    handler = RecordingHandler(on_open=lambda conn: getattr(conn, name)(0.3))
    engine = serve(handler, num_event_loops=2, **crowded)
    began = time.monotonic()
    dial(engine)
    conn = handler.wait_for("on_open").conn
    other = next(loop for loop in engine.loops if loop is not conn.loop)
    give(conn.loop, other)
    until(lambda: conn.loop is other)
    handler.wait_for("on_timeout")
    assert time.monotonic() - began >= 0.3
    assert handler.wait_for("on_close").conn.close_reason is CloseReason.TIMEOUT
    assert other.metrics().closed_timeout == 1


def held(name):
    """How to make a connection that is not idle: a function for the loop's thread."""
    return {
        "paused": lambda conn: conn.pause_reading(),
        "unread": lambda conn: None,
        "backlogged": lambda conn: conn.write(bytes(32 << 20)),
        "half-closed": lambda conn: conn.shutdown_write(),
    }[name]


@pytest.mark.parametrize("name", ["paused", "unread", "backlogged", "half-closed"])
@pytest.mark.parametrize("options", HALVES[:2])
def test_what_is_not_idle_stays(serve, dial, name, options):
    handler = RecordingHandler(on_traffic=held(name))
    engine = serve(handler, num_event_loops=2, **crowded, **options)
    dial(engine).sendall(b"some bytes")
    conn = handler.wait_for("on_traffic").conn
    first = conn.loop
    other = next(loop for loop in engine.loops if loop is not first)
    passed = threading.Event()
    for _ in range(3):
        give(first, other)
    first.post(passed.set)
    assert passed.wait(30)
    assert conn.loop is first
    assert other.connection_count == 0
    conn.abort()


def test_what_another_thread_has_asked_for_is_done_before(serve, dial, receive):
    """A connection stays until the loop has carried it out, however long that takes."""
    handler = RecordingHandler()
    engine = serve(handler, num_event_loops=2, **crowded)
    peer = dial(engine)
    conn = handler.wait_for("on_open").conn
    first = conn.loop
    other = next(loop for loop in engine.loops if loop is not first)
    busy, go_on, done = threading.Event(), threading.Event(), []
    first.execute(lambda: (busy.set(), go_on.wait(30)))
    assert busy.wait(30)
    give(first, other)  # comes first, but the writes have been promised by then
    conn.async_write(b"first ", lambda conn, error: done.append(first.in_loop()))
    conn.wake(lambda conn, error: done.append(first.in_loop()))
    go_on.set()
    until(lambda: len(done) == 2)
    assert done == [True, True]
    assert conn.loop is first
    give(first, other)
    until(lambda: conn.loop is other)
    conn.async_write(b"second")
    assert receive(peer, 12) == b"first second"


def test_jobs_of_workers_come_back_to_the_loop_that_it_is_then(serve, dial, receive):
    pool = WorkerPool(2)
    results = []

    def then(conn, result, error):
        results.append(conn.loop.in_loop())
        conn.write(result)

    handler = RecordingHandler(
        on_traffic=lambda conn: pool.run_for(conn, bytes.upper, conn.read(), then=then)
    )
    engine = serve(handler, num_event_loops=2, **crowded)
    peers = [dial(engine) for _ in range(4)]
    for i in range(50):
        for peer in peers:
            peer.sendall(b"%4d" % i)
        give(engine.loops[i % 2], engine.loops[1 - i % 2])
        for peer in peers:
            assert receive(peer, 4) == b"%4d" % i
    assert len(results) == 200
    assert all(results)
    pool.close()


def test_a_place_goes_with_it(serve, dial):
    """Under ``max_connections`` each has one until its descriptor is closed."""
    handler = RecordingHandler()
    engine = serve(handler, num_event_loops=2, max_connections=4, **crowded)
    peers = [dial(engine) for _ in range(4)]
    until(lambda: len(engine.connections()) == 4)
    engine.rebalance()
    until(lambda: counts(engine) == [2, 2])
    for peer in peers:
        peer.close()
    until(lambda: engine.connection_count == 0)
    for _ in range(4):
        dial(engine)
    until(lambda: len(engine.connections()) == 4)


@pytest.mark.parametrize("how", ["stop", "stop_now"])
def test_an_engine_that_stops_in_the_midst(open_descriptors, how):
    before = open_descriptors()
    handler = RecordingHandler()
    engine = Engine(handler, "tcp://127.0.0.1:0", num_event_loops=2, **crowded)
    engine.start()
    peers = [socket.create_connection(("127.0.0.1", engine.addresses[0].port)) for _ in range(100)]
    until(lambda: len(engine.connections()) == 100)
    first = engine.connections()[0].loop
    give(first, next(loop for loop in engine.loops if loop is not first))
    getattr(engine, how)()
    assert engine.join(30)
    assert handler.names().count("on_close") == handler.names().count("on_open") == 100
    for peer in peers:
        peer.close()
    assert open_descriptors() <= before


class Refusing(SelectPoller):
    """Raises from ``register`` or ``unregister`` when it is told to."""

    refuses = ""

    def register(self, fd, interest):
        if self.refuses == "register":
            raise OSError("refused on purpose")
        super().register(fd, interest)

    def unregister(self, fd):
        if self.refuses == "unregister":
            raise RuntimeError("refused on purpose")
        super().unregister(fd)


def test_a_poller_that_does_not_let_go_keeps_it(serve, dial, receive):
    handler = RecordingHandler(on_traffic=echo)
    engine = serve(handler, num_event_loops=2, poller=Refusing, **crowded)
    peer = dial(engine)
    conn = handler.wait_for("on_open").conn
    first = conn.loop
    other = next(loop for loop in engine.loops if loop is not first)
    first.poller.refuses = "unregister"
    passed = threading.Event()
    give(first, other)
    first.post(passed.set)
    assert passed.wait(30)
    first.poller.refuses = ""
    assert conn.loop is first
    assert counts(engine) == [0, 1]
    peer.sendall(b"here")
    assert receive(peer, 4) == b"here"


def test_a_poller_that_does_not_take_it_ends_it(serve, dial):
    handler = RecordingHandler(on_traffic=echo)
    engine = serve(handler, num_event_loops=2, poller=Refusing, **crowded)
    dial(engine)
    conn = handler.wait_for("on_open").conn
    other = next(loop for loop in engine.loops if loop is not conn.loop)
    other.poller.refuses = "register"
    give(conn.loop, other)
    event = handler.wait_for("on_close")
    assert event.conn.close_reason is CloseReason.ERROR
    assert engine.drain(30)


def test_sockets_that_fail_keep_it(serve, dial, receive, monkeypatch):
    handler = RecordingHandler(on_traffic=echo)
    engine = serve(handler, num_event_loops=2, **crowded)
    peer = dial(engine)
    conn = handler.wait_for("on_open").conn
    first = conn.loop
    other = next(loop for loop in engine.loops if loop is not first)
    monkeypatch.setattr(other.sockets, "attach", lambda fd: 1 / 0)
    passed = threading.Event()
    give(first, other)
    first.post(passed.set)
    assert passed.wait(30)
    assert conn.loop is first
    assert counts(engine) == [0, 1]
    peer.sendall(b"here")
    assert receive(peer, 4) == b"here"


def test_by_itself(serve, dial):
    engine = serve(EventHandler(), num_event_loops=2, rebalance_interval=0.05, **crowded)
    for _ in range(10):
        dial(engine)
    until(lambda: counts(engine) == [5, 5])
    for _ in range(4):
        dial(engine)
    until(lambda: counts(engine) == [7, 7])


def test_one_loop_has_nobody_to_give_to(serve, dial):
    engine = serve(EventHandler(), rebalance_interval=0.01)
    dial(engine)
    assert engine.rebalance() == 0


def test_loops_of_asyncio_keep_theirs(serve, dial):
    engine = serve(EventHandler(), num_event_loops=2, asyncio=True, **crowded)
    for _ in range(6):
        dial(engine)
    until(lambda: len(engine.connections()) == 6)
    assert engine.rebalance() == 0
    assert counts(engine) == [0, 6]


def test_it_needs_a_running_engine():
    engine = Engine(EventHandler(), "tcp://127.0.0.1:0")
    for _ in range(2):
        with pytest.raises(EngineNotRunningError):
            engine.rebalance()
        engine.stop()
    with pytest.raises(OptionsError, match="rebalance_interval"):
        Engine(EventHandler(), "tcp://127.0.0.1:0", rebalance_interval=-1)
