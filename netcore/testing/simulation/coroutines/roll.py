"""The asyncio loops of a host, from when they are made until they are closed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from netcore.aio import EventLoop
from netcore.testing.simulation.coroutines.loop import SimulatedLoop
from netcore.testing.simulation.coroutines.numbered import in_order
from netcore.testing.simulation.coroutines.silence import SILENCE

__all__ = ["Coroutines", "variant"]


class Coroutines:
    """Knows the loops of a host until its crash, and keeps what these have left behind until the world's end.

    A coroutine that is let go of in its midst runs its ``finally`` clauses. After a crash nothing does, so it
    is kept as long as there is a world in which that would show. Then all of it ends here, in order and
    without a word, rather than wherever the collector finds it.
    """

    def __init__(self) -> None:
        self._loops: dict[SimulatedLoop, None] = {}

    def add(self, loop: SimulatedLoop) -> None:
        """See ``Roll.add``."""
        self._loops[loop] = None
        SILENCE.begin()

    def discard(self, loop: SimulatedLoop) -> None:
        """See ``Roll.discard``."""
        if loop in self._loops:
            del self._loops[loop]
            SILENCE.end()

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Returns the tasks that are not done, by their loops and the order in which they were made."""
        return [task for loop in self._loops for task in in_order(asyncio.all_tasks(loop))]

    def abandon(self) -> None:
        """Has nothing go on in them: the host has crashed."""
        for loop in self._loops:
            loop.abandon()

    def __del__(self) -> None:
        """Lets go of them all."""
        with suppress(Exception):  # the interpreter may be about to end
            for loop in list(self._loops):
                loop.dispose()
                self.discard(loop)


_variants: dict[Any, Any] = {}


def variant(kind: Any) -> Any:
    """Returns the class to make on a simulated host instead of one that stands for a thread."""
    if not issubclass(kind, EventLoop) or issubclass(kind, SimulatedLoop):
        return kind
    if kind not in _variants:
        bases = (SimulatedLoop, kind)
        _variants[kind] = type(kind.__name__, bases, {"__module__": kind.__module__})
    return _variants[kind]
