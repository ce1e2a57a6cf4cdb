"""Tasks and futures of asyncio that sets have in the same order in each run.

asyncio keeps tasks in sets, and so do programs: ``asyncio.wait`` returns two, of which a program cancels one.
An object is hashed by its address as a rule, which is another one in each run, and with it the order of a
set. These are hashed by numbers, in the order in which they were made.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

__all__ = ["NumberedFuture", "NumberedTask", "Numbering", "in_order"]

if TYPE_CHECKING:
    AnyTask = asyncio.Task[Any]
    AnyFuture = asyncio.Future[Any]
else:
    AnyTask = asyncio.Task
    AnyFuture = asyncio.Future


class Numbering(Protocol):
    """A loop that gives each task and future a number."""

    def next_number(self) -> int:
        """Returns one that none has had."""


class NumberedTask(AnyTask):
    """See ``asyncio.Task``.

    Attributes:
        number: How many tasks and futures its loop had before it.
    """

    __slots__ = ("number",)

    number: int

    def __new__(cls, coro: object, *, loop: Any, **named: Any) -> NumberedTask:
        """Numbers it before asyncio, as it makes one, puts it into a set."""
        task = super().__new__(cls)
        task.number = loop.next_number()
        return task

    def __hash__(self) -> int:
        """Returns the number."""
        return self.number


class NumberedFuture(AnyFuture):
    """See ``asyncio.Future``.

    Attributes:
        number: See ``NumberedTask``.
    """

    __slots__ = ("number",)

    number: int

    def __new__(cls, *, loop: Any) -> NumberedFuture:
        """Numbers it."""
        future = super().__new__(cls)
        future.number = loop.next_number()
        return future

    def __hash__(self) -> int:
        """Returns the number."""
        return self.number


def in_order(tasks: Iterable[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """Returns tasks in the order in which they were made; those without a number come last."""
    return sorted(tasks, key=lambda task: getattr(task, "number", math.inf))
