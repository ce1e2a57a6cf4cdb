"""Jobs of executors, which have no threads in a simulated world, and other threads that there are none of."""

from __future__ import annotations

import asyncio
import os
import queue
import selectors
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from netcore.testing.simulation import Host, Simulation, SimulationError


@pytest.fixture
def host() -> Host:
    return Simulation().host("one")


def test_a_job_takes_virtual_time_and_no_thread(host: Host) -> None:
    async def main() -> tuple[object, float]:
        before = asyncio.get_running_loop().time()
        seen = await asyncio.to_thread(threading.get_ident)
        return seen, asyncio.get_running_loop().time() - before

    thread, passed = host.program(main).result()

    assert thread == threading.get_ident()
    assert 0 < passed < 0.1


def test_what_a_job_raises(host: Host) -> None:
    async def main() -> None:
        await asyncio.get_running_loop().run_in_executor(None, int, "x")

    with pytest.raises(ValueError, match="invalid literal"):
        host.program(main).result()


def order_of_jobs(seed: int) -> list[int]:
    ran: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        jobs = [loop.run_in_executor(None, ran.append, number) for number in range(30)]
        cancelled = loop.run_in_executor(None, ran.append, 99)
        cancelled.cancel()
        await asyncio.gather(*jobs)

    simulation = Simulation(seed)
    simulation.host("one").program(main).result()
    return [*ran, len(simulation.trace)]


def test_the_seed_decides_when_they_run() -> None:
    runs = [order_of_jobs(seed) for seed in (1, 1, 2)]

    assert runs[0] == runs[1]
    assert sorted(runs[0][:30]) == sorted(runs[2][:30]) == list(range(30))


def test_an_executor_of_the_programs_own(host: Host) -> None:
    async def main() -> list[int]:
        with ThreadPoolExecutor(2) as executor:
            squares = await asyncio.gather(
                *(asyncio.get_running_loop().run_in_executor(executor, pow, n, 2) for n in range(5))
            )
        with pytest.raises(RuntimeError, match="after shutdown"):
            executor.submit(print)
        return squares

    assert host.program(main).result() == [0, 1, 4, 9, 16]


def test_an_executor_in_the_tests_own_code(host: Host) -> None:
    with host, ThreadPoolExecutor(2) as executor:
        assert list(executor.map(abs, [-1, -2])) == [1, 2]
        left = executor.submit(abs, -3)
    assert left.result() == 3


def test_jobs_that_wait_may_be_cancelled_at_the_end(host: Host) -> None:
    async def main() -> list[bool]:
        executor = ThreadPoolExecutor(1)
        futures = [executor.submit(print) for _ in range(3)]
        executor.shutdown(wait=False, cancel_futures=True)
        return [future.cancelled() for future in futures]

    assert host.program(main).result() == [True, True, True]


def test_a_crash_takes_jobs_along(host: Host) -> None:
    simulation = Simulation()
    ran: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for number in range(10):
            loop.run_in_executor(None, ran.append, number)
        simulation.call_later(0, simulation.host("one").crash)

    simulation.host("one").program(main())
    simulation.run(until=1)
    simulation.host("one").restart()
    simulation.run(until=2)

    assert ran == []


def test_the_number_of_processors_is_the_worlds(host: Host) -> None:
    async def main() -> int | None:
        return os.cpu_count()

    before = os.cpu_count()
    assert host.program(main).result() == 2
    assert os.cpu_count() == before


class Library:
    """What a library does that has not heard of simulations."""

    @staticmethod
    async def starts_a_thread() -> None:
        threading.Thread(target=print).start()

    @staticmethod
    async def sleeps() -> None:
        time.sleep(1)

    @staticmethod
    async def waits_for_a_thread() -> None:
        queue.Queue().get()

    @staticmethod
    async def selects() -> None:
        selectors.DefaultSelector()

    @staticmethod
    async def sleeps_in_a_job() -> None:
        await asyncio.to_thread(time.sleep, 1)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("starts_a_thread", "starting a thread cannot be simulated on host 'one'"),
        ("sleeps", r"time.sleep\(1\) blocks"),
        ("waits_for_a_thread", "waiting for another thread cannot be simulated"),
        ("selects", "a selector of the standard library"),
        ("sleeps_in_a_job", r"time.sleep\(1\) blocks"),
    ],
)
def test_what_cannot_be_simulated_names_its_line(host: Host, what: str, told: str) -> None:
    line = "" if what == "sleeps_in_a_job" else rf".*{Path(__file__).name}:\d+ in {what}"

    with pytest.raises(SimulationError, match=told + line):
        host.program(getattr(Library, what)).result()


def test_a_handler_of_that_error_does_not_hide_it(host: Host) -> None:
    async def main() -> None:
        try:
            await Library.sleeps()
        except Exception:
            await asyncio.sleep(1)

    with pytest.raises(SimulationError, match=r"time.sleep"):
        host.program(main).result()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the argument came with Python 3.12")
def test_the_end_of_the_executor_may_take_too_long(host: Host) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.run_in_executor(None, int)
        with pytest.warns(RuntimeWarning, match="did not finish its jobs within 1e-05 seconds"):
            await loop.shutdown_default_executor(1e-5)  # type: ignore[call-arg]

    host.program(main).result()
