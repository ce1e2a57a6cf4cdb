"""The real world, kept out of a simulated one: what the standard library offers is the host's while it runs.

Modules of the standard library have other functions and classes as long as a world runs, on its thread; for
others they do what they always do. So a handler that looks at ``time.monotonic``, or a program of asyncio
that makes sockets, runs unchanged. What cannot be simulated, such as a thread, raises an error that names the
line, and ends the run. Code that has taken a function out of its module before (``from time import sleep``)
is out of reach.
"""

from __future__ import annotations

import logging
import os
import threading
from functools import partial
from types import CodeType, FrameType, ModuleType
from typing import Any

import netcore
from netcore.testing.simulation.errors import SimulationError
from netcore.testing.simulation.randomness import Randomness
from netcore.testing.simulation.stand_ins import Make, World, stand_ins

__all__ = ["Outside", "culprit"]

_NETCORE = os.path.dirname(os.path.abspath(netcore.__file__)) + os.sep
_LIBRARY = os.path.dirname(os.path.abspath(os.__file__))


def culprit(frame: FrameType | None) -> str:
    """Returns where the code of a simulated host is that has called into netcore or the library."""
    while frame is not None and _is_inner(frame.f_code):
        frame = frame.f_back
    if frame is None:
        return "somewhere"
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def _is_inner(code: CodeType) -> bool:
    name = code.co_filename
    if name.startswith((_NETCORE, "<frozen")):
        return True
    return name.startswith(_LIBRARY) and "site-packages" not in name and "dist-packages" not in name


class _StandIn:
    """What is put in one place; the same each time that the same was there."""

    __slots__ = ("_before", "_made", "_make", "_name", "_names", "_put")

    def __init__(self, owner: Any, name: str, make: Make) -> None:
        self._names = vars(owner)
        self._put = self._names.__setitem__ if isinstance(owner, ModuleType) else partial(setattr, owner)
        self._name = name
        self._make = make
        self._before: object = self  # nothing yet
        self._made: object = None

    def place(self) -> None:
        """Puts it there."""
        before = self._names[self._name]
        if before is not self._before:
            self._before, self._made = before, self._make(before)
        self._put(self._name, self._made)

    def remove(self) -> None:
        """Puts back what was there before."""
        self._put(self._name, self._before)


class Outside:
    """Replaces what code of hosts must not reach, for as long as the world runs. A context manager.

    Args:
        world: What is to be reached instead.
    """

    def __init__(self, world: World) -> None:
        self._depth = 0
        self._thread = threading.get_ident()
        self._complaints: object = None
        self._randomness = Randomness(world.scheduler, self._thread)
        replaced = self._randomness.stand_ins() + stand_ins(world, self._thread)
        self._stand_ins = [_StandIn(*each) for each in replaced]

    def __enter__(self) -> None:
        self._depth += 1
        if self._depth > 1:
            return
        try:
            _take_turn(self._thread)
        except BaseException:
            self._depth -= 1
            raise
        self._randomness.__enter__()
        for stand_in in self._stand_ins:
            stand_in.place()
        self._swap_complaints()

    def _swap_complaints(self) -> None:
        """Has what was logged a moment ago be the world's, by its time, or the process's."""
        kept = vars(logging.getLogger("netcore"))
        self._complaints, complaints = kept.pop("complaints", None), self._complaints
        if complaints is not None:
            kept["complaints"] = complaints

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth:
            return
        self._swap_complaints()
        for stand_in in reversed(self._stand_ins):
            stand_in.remove()
        self._randomness.__exit__()
        _turns.pop()


_turns: list[int] = []
"""The threads of the worlds that run, one within the other."""


def _take_turn(thread: int) -> None:
    """Has no two threads replace the same functions.

    Raises:
        SimulationError: A world runs on another thread.
    """
    _turns.append(thread)  # in this order, so that of two threads at least one finds the other
    if any(each != thread for each in tuple(_turns)):
        _turns.remove(thread)
        raise SimulationError("a simulation runs on another thread of this process: only one can at a time")
