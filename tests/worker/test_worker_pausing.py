"""A connection with too much pending is not read, and neither is one that adds to a full pool."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from netcore.worker import WorkerPool, WorkerPoolFullError


def test_reading_pauses_at_the_bound_and_resumes_at_half_of_it(world, pool) -> None:
    w = world()
    conn = w.connect()
    workers: WorkerPool = pool(1, max_pending_per_connection=4)
    may_end = threading.Semaphore(0)
    for _ in range(3):
        workers.run_for(conn, may_end.acquire)
    assert not conn.paused
    workers.run_for(conn, may_end.acquire)
    assert conn.paused
    w.feed(conn, b"hello")
    assert w.handler.received() == b""
    reported = 0

    def let_end(count: int) -> None:
        nonlocal reported
        may_end.release(count)
        reported += count
        while workers._lanes and workers._lanes[conn.id].pending > 4 - reported:
            w.turns()

    let_end(1)
    assert conn.paused
    let_end(1)
    assert not conn.paused
    let_end(2)
    w.turns()
    assert w.handler.received() == b"hello"


def test_all_that_one_callback_asks_for_is_accepted(world, pool, gate) -> None:
    workers: WorkerPool = pool(1, max_pending=2, max_pending_per_connection=3)
    results: list[int] = []

    def on_traffic(conn) -> None:
        for byte in conn.read():
            workers.run_for(conn, int, byte, then=lambda conn, result, error: results.append(result))

    w = world(on_traffic=on_traffic)
    conn = w.connect()
    workers.submit(gate)
    w.feed(conn, bytes(range(100)))
    assert conn.paused
    assert workers.unfinished == 101
    gate.open()
    workers.shutdown()
    w.turns(2)
    assert results == list(range(100))
    assert not conn.paused


def test_a_full_pool_pauses_who_adds_to_it(world, pool, gate) -> None:
    w = world()
    conn, other = w.connect(), w.connect()
    workers: WorkerPool = pool(1, max_pending=1)
    workers.submit(gate)
    workers.run_for(conn, int)
    assert not conn.paused
    workers.run_for(conn, int)
    assert conn.paused and not other.paused
    with pytest.raises(WorkerPoolFullError):
        workers.submit(int)
    gate.open()
    workers.shutdown()
    w.turns()
    assert not conn.paused


def test_a_pause_of_the_application_is_left_alone(world, pool) -> None:
    w = world()
    conn = w.connect()
    workers: WorkerPool = pool(1, max_pending_per_connection=1)
    conn.pause_reading()
    workers.run_for(conn, int)
    workers.shutdown()
    w.turns()
    assert conn.paused


def test_the_application_and_several_pools_do_not_end_each_others_pauses(world, pool, gate) -> None:
    w = world()
    conn = w.connect()
    busy: WorkerPool = pool(1, max_pending_per_connection=1)
    other: WorkerPool = pool(1, max_pending_per_connection=1)
    busy.run_for(conn, gate)
    other.run_for(conn, int)
    conn.pause_reading()
    conn.resume_reading()
    assert conn.paused, "both pools have too much"
    other.shutdown()
    w.turns()
    assert conn.paused, "one has"
    conn.pause_reading()
    gate.open()
    busy.shutdown()
    w.turns()
    assert conn.paused, "the application wants it so"
    conn.resume_reading()
    assert not conn.paused


def test_reading_can_be_paused_from_then(world, pool) -> None:
    w = world()
    conn = w.connect()
    workers: WorkerPool = pool(1, max_pending_per_connection=1)
    workers.run_for(conn, int, then=lambda conn, result, error: conn.pause_reading())
    workers.shutdown()
    w.turns()
    assert conn.paused


def test_a_connection_that_closes_while_paused_is_let_alone(world, pool, gate) -> None:
    w = world()
    conn = w.connect()
    workers: WorkerPool = pool(1, max_pending_per_connection=1)
    workers.run_for(conn, gate)
    assert conn.paused
    conn.abort()
    w.turns()
    gate.open()
    workers.shutdown()
    w.turns()
    assert w.handler.names(conn) == ["on_open", "on_close"]


def test_another_thread_has_the_pause_decided_on_the_loop(world, pool, gate) -> None:
    w = world()
    conn = w.connect()
    workers: WorkerPool = pool(1, max_pending_per_connection=2)

    def add() -> None:
        for _ in range(3):
            workers.run_for(conn, gate)

    thread = threading.Thread(target=add)
    thread.start()
    thread.join(30)
    assert not conn.paused
    w.turns()
    assert conn.paused
    gate.open()
    workers.shutdown()
    w.turns()
    assert not conn.paused


def test_a_pause_from_another_thread_that_comes_too_late_does_nothing(world, pool) -> None:
    w = world()
    conn = w.connect()
    workers: WorkerPool = pool(1, max_pending_per_connection=1)
    done = threading.Event()

    def then(conn, result: object, error: Exception | None) -> None:
        done.set()

    # The report is put before the demand for a pause: the lane is idle when that is looked at.
    put = conn.async_writev
    held: list[tuple[object, ...]] = []

    class Slow:
        """The connection, but what is not a report is put in only at the end."""

        def __getattr__(self, name: str) -> object:
            return getattr(conn, name)

        def async_writev(self, chunks: object, callback) -> None:
            if threading.current_thread() is thread:
                held.append((chunks, callback))
            else:
                put(chunks, callback)

    thread = threading.Thread(target=lambda: workers.run_for(Slow(), int, then=then))
    thread.start()
    thread.join(30)
    workers.shutdown()
    w.turns()
    assert done.is_set()
    for chunks, callback in held:
        put(chunks, callback)
    w.turns()
    assert len(held) == 1
    assert not conn.paused


def test_datagrams_are_refused_by_a_full_pool_since_there_is_nobody_to_slow_down(pool, gate) -> None:
    def post(chunks: object, callback) -> None:
        callback(conn, None)

    conn = SimpleNamespace(
        id=1, network="udp", closed=False, loop=SimpleNamespace(in_loop=lambda: True), async_writev=post
    )
    workers: WorkerPool = pool(1, max_pending=1, max_pending_per_connection=1)
    workers.run_for(conn, gate)
    workers.run_for(conn, int)
    with pytest.raises(WorkerPoolFullError):
        workers.run_for(conn, int)
