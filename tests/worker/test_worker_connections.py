"""Work of connections: in order, reported on the loop, exactly once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from netcore import Action
from netcore.worker import WorkerPool


@pytest.fixture
def outcomes() -> list[tuple[object, Exception | None]]:
    return []


@pytest.fixture
def note(outcomes: list[tuple[object, Exception | None]]) -> Callable[..., None]:
    """A ``then`` that remembers what it was told."""
    return lambda conn, result, error: outcomes.append((result, error))


def test_jobs_of_a_connection_run_one_by_one_in_order(world, pool, note, outcomes) -> None:
    w = world()
    conn = w.connect()
    running = threading.Lock()
    order: list[int] = []

    def job(i: int) -> int:
        assert running.acquire(blocking=False), "two jobs of a connection at once"
        order.append(i)
        running.release()
        return i * i

    workers: WorkerPool = pool(8)
    for i in range(200):
        workers.run_for(conn, job, i, then=note)
    workers.shutdown()
    assert order == list(range(200))
    assert outcomes == []  # the loop has not had a turn
    w.turns(2)
    assert outcomes == [(i * i, None) for i in range(200)]


def test_connections_do_not_wait_for_each_other(world, pool, gate, note, outcomes) -> None:
    w = world()
    slow, quick = w.connect(), w.connect()
    workers: WorkerPool = pool(2)
    workers.run_for(slow, gate, "slow", then=note)
    gate.wait_entered()
    done = threading.Event()
    workers.run_for(quick, abs, -1, then=note)
    workers.run_for(quick, done.set)
    assert done.wait(30)
    w.turns()
    assert outcomes == [(1, None)]
    gate.open()
    workers.shutdown()
    w.turns()
    assert outcomes == [(1, None), ("slow", None)]


def test_one_connection_with_much_work_does_not_keep_a_single_worker(world, pool, gate) -> None:
    w = world()
    greedy, modest = w.connect(), w.connect()
    order: list[str] = []
    workers: WorkerPool = pool(1)
    workers.submit(gate)
    for i in range(5):
        workers.run_for(greedy, order.append, f"greedy {i}")
    workers.run_for(modest, order.append, "modest")
    done = threading.Event()
    workers.run_for(greedy, done.set)
    gate.open()
    assert done.wait(30)
    assert order.index("modest") == 1


def test_an_exception_reaches_then(world, pool, note, outcomes) -> None:
    w = world()
    conn = w.connect()
    workers: WorkerPool = pool(1)
    workers.run_for(conn, divmod, 1, 0, then=note)
    workers.shutdown()
    w.turns()
    [(result, error)] = outcomes
    assert result is None and isinstance(error, ZeroDivisionError)
    assert "on_error" not in w.handler.names()


def test_without_then_an_exception_reaches_on_error(world, pool) -> None:
    w = world()
    conn = w.connect()
    workers: WorkerPool = pool(1)
    workers.run_for(conn, divmod, 1, 0)
    workers.shutdown()
    w.turns()
    assert w.handler.names(conn) == ["on_open", "on_error", "on_close"]
    [error] = w.handler.details("on_error")
    assert isinstance(error, ZeroDivisionError)


def test_what_then_raises_reaches_on_error_and_later_jobs_are_reported(world, pool, note, outcomes) -> None:
    w = world(on_error=lambda conn, error: Action.NONE)
    conn = w.connect()

    def fail(*_: object) -> None:
        raise LookupError("in then")

    workers: WorkerPool = pool(1)
    workers.run_for(conn, int, then=fail)
    workers.run_for(conn, int, then=note)
    workers.shutdown()
    w.turns()
    assert [type(error) for error in w.handler.details("on_error")] == [LookupError]
    assert outcomes == [(0, None)]
    assert not conn.closed


def test_what_would_end_a_thread_does_not_end_the_loop(world, pool, note, outcomes) -> None:
    w = world()
    conn = w.connect()

    def leave() -> None:
        raise SystemExit(3)

    workers: WorkerPool = pool(1)
    workers.run_for(conn, leave, then=note)
    workers.run_for(conn, abs, -2, then=note)
    workers.shutdown()
    w.turns()
    (_, error), last = outcomes
    assert isinstance(error, RuntimeError) and isinstance(error.__cause__, SystemExit)
    assert last == (2, None)


def test_jobs_run_and_are_reported_although_the_connection_has_closed(
    world, pool, gate, note, outcomes
) -> None:
    w = world()
    conn = w.connect()
    workers: WorkerPool = pool(1)
    workers.run_for(conn, gate, "begun", then=note)
    workers.run_for(conn, abs, -1, then=note)
    gate.wait_entered()
    conn.close()
    w.turns()
    assert w.handler.names(conn) == ["on_open", "on_close"]
    workers.run_for(conn, abs, -2, then=note)
    gate.open()
    workers.shutdown()
    w.turns()
    assert outcomes == [("begun", None), (1, None), (2, None)]


def test_an_ended_loop_has_then_called_all_the_same(world, pool, gate, note, outcomes) -> None:
    w = world()
    conn = w.connect()
    workers: WorkerPool = pool(1)
    workers.run_for(conn, gate, then=note)
    workers.run_for(conn, abs, -1, then=note)
    w.loop.close()
    gate.open()
    workers.shutdown()
    assert outcomes == [(None, None), (1, None)]


def test_a_job_may_be_followed_by_another_from_then(world, pool) -> None:
    w = world()
    conn = w.connect()
    workers: WorkerPool = pool(1)
    done = [threading.Event() for _ in range(3)]
    seen: list[int] = []

    def step(i: int) -> int:
        done[i].set()
        return i

    def go_on(conn, i: int, error: object) -> None:
        seen.append(i)
        if i < 2:
            workers.run_for(conn, step, i + 1, then=go_on)

    workers.run_for(conn, step, 0, then=go_on)
    for i in range(3):
        assert done[i].wait(30)
        while len(seen) <= i:  # the report is on its way behind the event
            w.turns()
    assert seen == [0, 1, 2]


def test_a_pool_that_is_shut_down_refuses(world, pool) -> None:
    w = world()
    conn = w.connect()
    workers: WorkerPool = pool(1)
    workers.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        workers.run_for(conn, int)


def test_nothing_is_kept_of_idle_connections(world, pool) -> None:
    w = world()
    conns = [w.connect() for _ in range(20)]
    workers: WorkerPool = pool(2)
    for conn in conns:
        workers.run_for(conn, int)
        workers.run_for(conn, int)
    assert len(workers._lanes) == 20
    workers.shutdown()
    w.turns()
    assert not workers._lanes


def test_order_is_kept_when_no_thread_can_be_started(world, pool, gate, note, outcomes, monkeypatch) -> None:
    w = world()
    conn = w.connect()
    workers: WorkerPool = pool(2)
    workers.run_for(conn, gate, 0, then=note)
    gate.wait_entered()
    for i in range(1, 50):
        workers.run_for(conn, abs, -i, then=note)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    gate.open()
    workers.shutdown()
    w.turns()
    assert outcomes == [(i, None) for i in range(50)]
