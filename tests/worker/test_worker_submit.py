"""Work of no connection: accepted up to a bound, run, and refused beyond it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future

import pytest

from netcore import NetcoreError
from netcore.worker import WorkerPool, WorkerPoolFullError

TIMEOUT = 30


def occupy(pool: WorkerPool, workers: int) -> tuple[Callable[[], None], list[Future[None]]]:
    """Makes so many workers busy; returns what sets them free, and their futures."""
    release = threading.Event()
    started = threading.Semaphore(0)

    def job() -> None:
        started.release()
        assert release.wait(TIMEOUT)

    futures = [pool.submit(job) for _ in range(workers)]
    for _ in futures:
        assert started.acquire(timeout=TIMEOUT)
    return release.set, futures


def test_a_result_and_an_exception() -> None:
    with WorkerPool(2) as pool:
        assert pool.submit(divmod, 7, 2).result(TIMEOUT) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 7, 0).result(TIMEOUT)
        assert isinstance(pool.submit(raise_exit).exception(TIMEOUT), SystemExit)


def raise_exit() -> None:
    raise SystemExit(3)


def test_the_threads_are_bounded_and_named() -> None:
    with WorkerPool(3) as pool:
        release, busy = occupy(pool, 3)
        extra = pool.submit(threading.current_thread)
        assert pool.unfinished == 4
        release()
        for future in busy:
            future.result(TIMEOUT)
        assert extra.result(TIMEOUT).name.startswith("netcore-worker")
    assert pool.unfinished == 0


def test_a_full_pool_refuses_without_blocking() -> None:
    with WorkerPool(2, max_pending=3) as pool:
        release, _ = occupy(pool, 2)
        waiting = [pool.submit(int) for _ in range(3)]
        with pytest.raises(WorkerPoolFullError, match="5 jobs are unfinished") as caught:
            pool.submit(int)
        assert isinstance(caught.value, RuntimeError) and isinstance(caught.value, NetcoreError)
        release()
        assert [future.result(TIMEOUT) for future in waiting] == [0, 0, 0]


def test_who_sees_a_result_finds_room_for_the_next_job() -> None:
    with WorkerPool(1, max_pending=0) as pool:
        for i in range(200):
            assert pool.submit(abs, -i).result(TIMEOUT) == i
            with pytest.raises(ZeroDivisionError):
                pool.submit(divmod, i, 0).result(TIMEOUT)


def test_a_cancelled_job_does_not_run_and_keeps_its_place_until_its_turn() -> None:
    with WorkerPool(1, max_pending=1) as pool:
        release, _ = occupy(pool, 1)
        ran: list[int] = []
        cancelled = pool.submit(ran.append, 1)
        assert cancelled.cancel()
        with pytest.raises(WorkerPoolFullError):  # or cancelling would make the queue grow for ever
            pool.submit(int)
        release()
        with pytest.raises(CancelledError):
            cancelled.result(TIMEOUT)
    assert not ran
    assert pool.unfinished == 0


def test_after_a_shutdown_nothing_is_accepted_and_what_was_accepted_is_run() -> None:
    pool = WorkerPool(1)
    release, _ = occupy(pool, 1)
    late = pool.submit(abs, -5)
    pool.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit(int)
    assert not late.done()
    release()
    pool.shutdown()
    assert late.done() and late.result() == 5
    pool.close()


def test_submitting_from_many_threads_never_exceeds_the_bound() -> None:
    most = 0
    with WorkerPool(2, max_pending=4) as pool:

        def watch() -> None:
            nonlocal most
            most = max(most, pool.unfinished)

        def flood() -> None:
            for _ in range(500):
                try:
                    futures.append(pool.submit(watch))
                except WorkerPoolFullError:
                    refused.append(1)

        futures: list[Future[None]] = []
        refused: list[int] = []
        threads = [threading.Thread(target=flood) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(TIMEOUT)
    assert all(future.done() and future.exception() is None for future in futures)
    assert len(futures) + len(refused) == 2000
    assert 0 < most <= 6


@pytest.mark.parametrize(
    ("numbers", "named"),
    [
        ({"max_workers": 0}, "max_workers"),
        ({"max_pending": -1}, "max_pending"),
        ({"max_pending_per_connection": 0}, "max_pending_per_connection"),
    ],
)
def test_numbers_that_are_too_small(numbers: dict[str, int], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        WorkerPool(**numbers)


def test_a_pool_without_a_number_of_workers_has_some() -> None:
    with WorkerPool() as pool:
        assert pool.submit(abs, -1).result(TIMEOUT) == 1
