"""What newer Pythons have brought to asyncio, and does not belong to a loop, works on netcore's as well."""

from __future__ import annotations

import asyncio
import io
import sys
from typing import Any

import pytest

from netcore.aio import EventLoop

since_12 = pytest.mark.skipif(sys.version_info < (3, 12), reason="new in Python 3.12")
since_14 = pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14")


async def answer() -> int:
    return 42


@since_12
def test_eager_tasks_run_at_once_and_in_their_own_name() -> None:
    seen: list[Any] = []

    async def named() -> None:
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        done = asyncio.create_task(answer())
        assert done.done() and await done == 42
        task = asyncio.create_task(named())
        assert seen == [task]
        await task
        assert seen == [task, task] and asyncio.current_task() in asyncio.all_tasks()

    asyncio.run(main(), loop_factory=EventLoop)


@since_14
def test_a_task_may_be_eager_by_itself() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        eager: asyncio.Task[int] = loop.create_task(answer(), name="eager", eager_start=True)
        assert eager.done() and eager.get_name() == "eager"
        patient: asyncio.Task[int] = loop.create_task(answer(), eager_start=False)
        assert not patient.done() and await patient == 42

    asyncio.run(main(), loop_factory=EventLoop)


@since_14
def test_who_waits_for_whom_can_be_asked() -> None:
    async def inner(asked: asyncio.Event, told: asyncio.Event) -> None:
        asked.set()
        await told.wait()

    async def main() -> None:
        asked, told = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(inner(asked, told), name="inner")
            await asked.wait()
            graph = asyncio.capture_call_graph(task)
            names = [entry.frame.f_code.co_name for entry in graph.call_stack]
            asyncio.print_call_graph(task, file=(out := io.StringIO()))
            told.set()
        assert names == ["wait", "inner"]
        assert "async main()" not in out.getvalue().partition("Awaited by")[0]
        assert asyncio.current_task().get_name() in out.getvalue().partition("Awaited by")[2]

    asyncio.run(main(), loop_factory=EventLoop)
