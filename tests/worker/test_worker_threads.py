"""The threads of a pool: started when needed, ended when idle, and what happens when none can start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from netcore.worker import WorkerPool
from netcore.worker.threads import Threads

TIMEOUT = 30


class Starts:
    """Lets threads start, or not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.allowed = True
        self.refused = 0
        self.error: type[BaseException] = RuntimeError
        self._real = threading.Thread.start
        monkeypatch.setattr(threading.Thread, "start", lambda thread: self._start(thread))

    def _start(self, thread: threading.Thread) -> None:
        if not self.allowed:
            self.refused += 1
            raise self.error("can't start new thread")
        self._real(thread)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Starts:
    return Starts(monkeypatch)


def test_what_is_refused_is_not_done(starts: Starts) -> None:
    ran: list[str] = []
    with WorkerPool(2) as pool:
        starts.allowed = False
        for _ in range(100):
            with pytest.raises(RuntimeError, match="can't start"):
                pool.submit(ran.append, "refused")
        assert pool.unfinished == 0
        assert not pool._threads._waiting, "what was refused is kept"
        starts.allowed = True
        pool.submit(ran.append, "accepted").result(TIMEOUT)
    assert ran == ["accepted"]


def test_a_refusal_takes_no_place(starts: Starts) -> None:
    with WorkerPool(1, max_pending=0) as pool:
        starts.allowed = False
        for _ in range(3):
            with pytest.raises(RuntimeError, match="can't start"):
                pool.submit(int)
        starts.allowed = True
        assert pool.submit(abs, -1).result(TIMEOUT) == 1


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, KeyboardInterrupt, SystemExit])
def test_whatever_keeps_a_thread_from_starting_costs_no_place(world, starts: Starts, error) -> None:
    conn = world().connect()
    ran: list[int] = []
    starts.error = error
    with WorkerPool(2, max_pending=0) as pool:
        starts.allowed = False
        for i in range(5):
            with pytest.raises(error):
                pool.submit(ran.append, i)
            with pytest.raises(error):
                pool.run_for(conn, ran.append, i)
        assert (pool.unfinished, pool._lanes) == (0, {})
        starts.allowed = True
        pool.submit(ran.append, 5).result(TIMEOUT)
    assert ran == [5]


def test_an_interrupt_while_a_thread_starts_leaves_no_job_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread may be there, and may have begun, or not."""
    real = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        real(thread)
        raise KeyboardInterrupt

    ran: list[int] = []
    with WorkerPool(2, max_pending=0) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", interrupted)
            with pytest.raises(KeyboardInterrupt):
                pool.submit(ran.append, 1)
        pool.submit(ran.append, 2).result(TIMEOUT)
    assert pool.unfinished == 0
    assert sorted(ran) in ([2], [1, 2])


def test_where_a_thread_runs_more_is_accepted(starts: Starts, gate: Callable[..., object]) -> None:
    with WorkerPool(4) as pool:
        held = pool.submit(gate)
        gate.wait_entered()
        starts.allowed = False
        futures = [pool.submit(abs, -i) for i in range(20)]
        assert starts.refused > 0
        gate.open()
        held.result(TIMEOUT)
        assert [future.result(TIMEOUT) for future in futures] == list(range(20))


def test_a_job_of_a_connection_that_is_refused_is_not_done(world, starts: Starts) -> None:
    w = world()
    conn = w.connect()
    ran: list[str] = []
    told: list[object] = []
    with WorkerPool(2) as pool:
        starts.allowed = False
        with pytest.raises(RuntimeError, match="can't start"):
            pool.run_for(conn, ran.append, "refused", then=lambda *outcome: told.append(outcome))
        assert (pool.unfinished, pool._lanes, conn.paused) == (0, {}, False)
        starts.allowed = True
        pool.run_for(conn, ran.append, "accepted", then=lambda *outcome: told.append(outcome))
    w.turns(2)
    assert ran == ["accepted"]
    assert told == [(conn, None, None)]


def test_a_refusal_between_a_job_and_its_report_leaves_the_lane_in_order(world, starts: Starts) -> None:
    w = world()
    conn = w.connect()
    ran: list[int] = []
    pool = WorkerPool(2, max_pending_per_connection=2)
    for i in range(2):
        pool.run_for(conn, ran.append, i)
    assert conn.paused is False or pool._lanes  # the pause is noted on the loop
    while pool.unfinished:
        threading.Event().wait(0.001)
    idle = pool._threads
    idle.end()
    idle.join()  # no thread is left, as after ten idle seconds
    idle._ended = False
    starts.allowed = False
    with pytest.raises(RuntimeError, match="can't start"):
        pool.run_for(conn, ran.append, 2)
    starts.allowed = True
    pool.run_for(conn, ran.append, 3)
    pool.shutdown()
    w.turns(3)
    assert ran == [0, 1, 3]
    assert (pool._lanes, pool.unfinished, conn.paused) == ({}, 0, False)


def test_idle_threads_end_and_others_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netcore.worker.threads._IDLE", 0.01)
    with WorkerPool(3) as pool:
        for _ in range(5):
            assert pool.submit(abs, -1).result(TIMEOUT) == 1
            threads = list(pool._threads._threads)
            for thread in threads:
                thread.join(TIMEOUT)
            assert not pool._threads._threads


def test_a_thread_that_is_free_is_used_again() -> None:
    with WorkerPool(4) as pool:
        names = set()
        for _ in range(50):
            names.add(pool.submit(lambda: threading.current_thread().name).result(TIMEOUT))
            while not pool._threads._idle:
                threading.Event().wait(0.0005)
        assert len(names) == 1


def test_a_future_whose_callback_exits_costs_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    def leave(_: object) -> None:
        raise SystemExit(3)

    with WorkerPool(1) as pool:
        for _ in range(3):
            release = threading.Event()
            future = pool.submit(release.wait, TIMEOUT)
            future.add_done_callback(leave)
            release.set()
        assert pool.submit(abs, -1).result(TIMEOUT) == 1
    assert "a task of netcore-worker failed" in caplog.text


@pytest.fixture
def handed_over_late(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("netcore.worker.threads._IDLE", 0.0)  # every wait is over before it begins
    yield


def test_no_task_is_lost_between_a_thread_that_ends_and_one_that_starts(handed_over_late: None) -> None:
    ran: list[int] = []
    threads = Threads(3, "test")

    def flood(n: int) -> None:
        for i in range(1000):
            threads.put(lambda i=i: ran.append(n * 1000 + i))

    feeders = [threading.Thread(target=flood, args=(n,)) for n in range(3)]
    for feeder in feeders:
        feeder.start()
    for feeder in feeders:
        feeder.join(TIMEOUT)
    threads.end()
    threads.join()
    assert sorted(ran) == list(range(3000))


@pytest.mark.posix
def test_a_signal_handler_submits_while_its_thread_is_in_a_call(world) -> None:
    w = world()
    conn = w.connect()
    futures: list[Future[int]] = []
    ran: list[int] = []
    pool = WorkerPool(3, max_pending=1 << 20)

    def submit(*_: object) -> None:
        futures.append(pool.submit(abs, -7))
        pool.run_for(conn, ran.append, 0)

    before = signal.signal(signal.SIGALRM, submit)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
        for _ in range(1000):
            submit()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    pool.shutdown()
    w.turns(5)
    assert len(futures) > 1000, "no signal came"
    assert {future.result(0) for future in futures} == {7}
    assert (len(ran), pool.unfinished) == (len(futures), 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_begins_anew(gate: Callable[..., object]) -> None:
    with WorkerPool(1) as pool:
        held, waiting = pool.submit(gate), pool.submit(abs, -1)
        gate.wait_entered()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for future in (held, waiting):
                    assert "another process" in str(future.exception(10))
                assert pool.unfinished == 0
                assert pool.submit(abs, -2).result(10) == 2
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        gate.open()
        assert waiting.result(TIMEOUT) == 1


def test_what_was_accepted_is_run_before_the_interpreter_ends() -> None:
    program = """
import sys, time
from netcore.worker import WorkerPool
pool = WorkerPool(2)
for i in range(6):
    pool.submit(lambda i=i: (time.sleep(0.05), sys.stdout.write(f"{i}\\n")))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=sys.prefix,
    )
    assert sorted(done.stdout.split()) == list("012345")
    assert done.stderr == ""
