"""Programs of asyncio on simulated hosts: their beginning, what they see of time, and their end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

import netcore.aio
from netcore.testing.simulation import Host, Simulation, SimulationError, SimulationStuck


@pytest.fixture
def simulation() -> Simulation:
    return Simulation()


@pytest.fixture
def host(simulation: Simulation) -> Host:
    return simulation.host("one")


def test_a_program_returns_what_its_coroutine_returns(host: Host) -> None:
    async def main(first: int, second: int) -> int:
        return first + second

    program = host.program(main, 1, 2)

    assert not program.done()
    assert program.result() == 3
    assert program.done()
    assert host.program(main(3, 4)).result() == 7


def test_sleep_takes_virtual_time_alone(simulation: Simulation, host: Host) -> None:
    async def main() -> tuple[float, float]:
        before = time.monotonic(), asyncio.get_running_loop().time()
        await asyncio.sleep(86_400 * 30)
        return time.monotonic() - before[0], asyncio.get_running_loop().time() - before[1]

    passed = host.program(main).result()

    assert passed == pytest.approx((86_400 * 30, 86_400 * 30), abs=1e-3)
    assert simulation.now == pytest.approx(86_400 * 30, abs=1e-3)


def test_timers_never_come_too_soon(host: Host) -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        late = []
        for delay in (0.001, 0.1, 1.0, 1e4, 1e7, 1e9):
            due = loop.time() + delay
            await asyncio.sleep(delay)
            late.append(loop.time() - due)
        return late

    assert all(-1e-6 < late < 1e-3 for late in host.program(main).result())


def test_what_it_raises_is_raised_by_result(host: Host) -> None:
    async def main() -> None:
        await asyncio.sleep(1)
        raise ZeroDivisionError("no")

    program = host.program(main)

    with pytest.raises(ZeroDivisionError, match="no"):
        program.result()


def test_an_exit_of_a_program_is_its_result(host: Host) -> None:
    ended = []

    async def other() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            ended.append("other")

    async def main() -> None:
        others = asyncio.create_task(other())
        await asyncio.sleep(1)
        assert not others.done()
        sys.exit(3)

    with pytest.raises(SystemExit) as info:
        host.program(main).result()

    assert info.value.code == 3
    assert ended == ["other"]


def test_an_exit_in_a_callback_ends_the_program(host: Host) -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_later(1, sys.exit, 4)
        await asyncio.sleep(1000)

    with pytest.raises(SystemExit) as info:
        host.program(main).result()

    assert info.value.code == 4


def test_the_loop_may_not_be_stopped_before_the_end(host: Host) -> None:
    async def main() -> None:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(1000)

    with pytest.raises(RuntimeError, match="stopped before the program was done"):
        host.program(main).result()


def test_a_program_can_be_cancelled(simulation: Simulation, host: Host) -> None:
    seen = []

    async def main() -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    program = host.program(main)
    simulation.run(until=1.0)
    program.cancel()

    with pytest.raises(asyncio.CancelledError):
        program.result()
    assert seen == ["cancelled"]
    assert simulation.now < 2
    program.cancel()


def test_a_program_may_survive_that(simulation: Simulation, host: Host) -> None:
    async def main() -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1000)
        return "alive"

    program = host.program(main)
    simulation.run(until=1.0)
    program.cancel()

    assert program.result() == "alive"


def test_the_end_is_in_order(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    ended: list[object] = []

    async def other(number: int) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append(number)
            await asyncio.sleep(1)
            if number == 3:
                raise ValueError("three")

    async def numbers(name: str) -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(1)
            ended.append(name)

    async def main() -> None:
        generators = [numbers("first"), numbers("second")]
        for each in generators:
            await each.__anext__()
        loop: Any = asyncio.get_running_loop()
        loop.kept = [asyncio.create_task(other(number)) for number in range(5)], generators
        await asyncio.sleep(0)
        loop.run_in_executor(None, ended.append, "job")

    program = host.program(main)
    program.result()

    assert ended[:5] == [0, 1, 2, 3, 4]
    assert sorted(map(str, ended[5:])) == ["first", "job", "second"]
    assert ended.index("first") < ended.index("second")
    assert program.loop.is_closed()
    assert "unhandled exception during the end of a program" in caplog.text
    assert "three" in caplog.text


def test_no_program_can_be_made_of_anything_else(host: Host) -> None:
    async def main() -> None:
        """Does nothing."""

    with pytest.raises(TypeError, match="is neither a coroutine nor a function that makes one"):
        host.program(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="3 is no coroutine"):
        host.program(lambda: 3)  # type: ignore[arg-type, return-value]
    coroutine = main()
    with pytest.raises(TypeError, match="arguments are for a function"):
        host.program(coroutine, 1)
    host.program(coroutine).result()
    assert len(host.programs) == 1


def test_a_name_is_found_in_messages(simulation: Simulation, host: Host) -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    async def failing() -> None:
        raise ValueError("a bad start")

    program = host.program(main, name="the-server")
    host.program(failing)

    with pytest.raises(
        SimulationStuck, match=r"(?s)program the-server: for .*failing has failed: ValueError"
    ):
        program.result()
    assert "the-server of one, running" in repr(program)
    with pytest.raises(ValueError, match="a bad start"):
        host.programs[1].result()


def test_a_result_cannot_be_awaited_by_blocking(simulation: Simulation, host: Host) -> None:
    async def first() -> None:
        await asyncio.sleep(10)

    program = host.program(first)

    async def second() -> None:
        program.result()

    with pytest.raises(SimulationError, match=r"program first of host 'one' blocks.*test_coroutines.py:\d+"):
        simulation.host("two").program(second).result()


def test_cancelled_waits_do_not_pile_up(simulation: Simulation, host: Host) -> None:
    async def main() -> int:
        loop: Any = asyncio.get_running_loop()
        event = asyncio.Event()
        for _ in range(1000):
            loop.call_later(0.001, event.set)
            await asyncio.wait_for(event.wait(), 3600)
            event.clear()
        return len(loop._scheduled)

    assert host.program(main).result() < 300
    assert simulation.now < 10


def test_timeouts_and_gather(host: Host) -> None:
    async def after(delay: float) -> float:
        await asyncio.sleep(delay)
        return delay

    async def main() -> object:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(after(10), 5)
        return await asyncio.gather(*(after(delay) for delay in (3, 1, 2)))

    assert host.program(main).result() == [3, 1, 2]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="task groups came with Python 3.11")
def test_a_task_group_cancels_in_the_order_of_its_tasks(host: Host) -> None:
    ended = []

    async def after(delay: float, number: int) -> None:
        try:
            await asyncio.sleep(delay)
        finally:
            ended.append(number)
        raise ValueError(number)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:  # type: ignore[attr-defined]
            for number in range(20):
                group.create_task(after(100 if number != 11 else 1, number))

    with pytest.raises(BaseException) as info:  # an ExceptionGroup
        host.program(main).result()

    assert [repr(error) for error in info.value.exceptions] == ["ValueError(11)"]  # type: ignore[attr-defined]
    assert ended == [11, *range(11), *range(12, 20)]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_eager_tasks_have_numbers_too(host: Host) -> None:
    async def after(delay: float) -> float:
        await asyncio.sleep(delay)
        return delay

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        tasks = [asyncio.create_task(after(delay)) for delay in (2, 1)]
        await asyncio.gather(*tasks)
        return [hash(task) for task in tasks]

    first, second = host.program(main).result()
    assert 0 < first < second < 20


def test_run_of_netcore_aio_goes_on_with_the_world(simulation: Simulation, host: Host) -> None:
    async def ticking() -> None:
        while True:
            await asyncio.sleep(1)
            ticks.append(time.monotonic())

    async def main() -> float:
        await asyncio.sleep(10.5)
        return asyncio.get_running_loop().time()

    ticks: list[float] = []
    simulation.host("two").program(ticking)
    with host:
        seen = netcore.aio.run(main())

    assert seen == pytest.approx(1010.5, abs=1e-3)
    assert len(ticks) == 10
    assert simulation.now == pytest.approx(10.5, abs=1e-3)


def test_a_wait_of_the_tests_own_coroutine_lets_other_programs_go_on(
    simulation: Simulation, host: Host
) -> None:
    async def ticking() -> int:
        for _ in range(5):
            await asyncio.sleep(1)
        return 5

    async def main() -> int:
        time.sleep(2)
        return other.result()

    other = simulation.host("two").program(ticking)
    with host:
        assert netcore.aio.run(main()) == 5
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


def test_a_loop_outside_of_a_world_is_the_ordinary_one() -> None:
    async def main() -> type:
        return type(asyncio.get_running_loop())

    assert netcore.aio.run(main()) is netcore.aio.EventLoop


def test_a_world_that_is_no_more_says_nothing(
    recwarn: pytest.WarningsRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    raised: list[object] = []

    async def stubborn() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(1)

    async def serve(simulation: Simulation) -> None:
        async def on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback(writer.wait_closed)
                stack.callback(writer.close)
                await reader.read(1)

        server = await asyncio.start_server(on, port=7000)
        tasks = [asyncio.create_task(stubborn()) for _ in range(3)]
        async with server:
            await asyncio.gather(server.serve_forever(), *tasks)

    async def call() -> None:
        await asyncio.sleep(1)
        _, writer = await asyncio.open_connection("one", 7000)
        try:
            await asyncio.sleep(1000)
        finally:
            writer.close()
            await writer.wait_closed()

    def play() -> None:
        simulation = Simulation()
        simulation.host("one").program(serve, simulation)
        simulation.host("two").program(call)
        simulation.run(until=10)

    gc.collect()  # what other tests have left may say something, and not in here
    caplog.clear()
    recwarn.clear()
    hook, sys.unraisablehook = sys.unraisablehook, raised.append
    try:
        with caplog.at_level(logging.WARNING):
            play()
            gc.collect()
    finally:
        sys.unraisablehook = hook

    assert [str(warning.message) for warning in recwarn] == []
    assert raised == []
    assert caplog.text == ""
