"""Measuring how long turns and callbacks take, where that is wanted: see ``Timings``.

Callbacks one after the other share a reading of the clock: the end of one is the beginning of the next. What
comes in between and is none, such as a system call, has the clock read anew. So a turn costs two readings,
and a callback one.
"""

from __future__ import annotations

import abc
import time
from bisect import bisect_left
from collections.abc import Callable
from typing import Final

from netcore.connection.core.fields import NO_FIELDS
from netcore.handler import Histogram, Timings

__all__ = ["BOUNDS", "BaseMeter", "Meter"]

_DECADES = [10**power for power in range(3, 10)]

BOUNDS: Final = (*(step * decade for decade in _DECADES for step in (1, 2, 5)), 10**10)
"""Upper bounds of the buckets in nanoseconds, from 1 µs to 10 s; those of ``meter.c``, too."""

_SECONDS: Final = tuple(nanoseconds / 1e9 for nanoseconds in BOUNDS)


class BaseMeter(abc.ABC):
    """Takes the times of one loop, on its thread. Any thread may ask for what has been measured."""

    __slots__ = NO_FIELDS

    @abc.abstractmethod
    def begin_turn(self) -> None:
        """A wait is over, and callbacks may follow."""

    @abc.abstractmethod
    def end_turn(self) -> None:
        """The next wait is about to begin, or others have the thread; nothing happens outside of a turn."""

    @abc.abstractmethod
    def look(self) -> None:
        """A callback follows, behind something that has taken its time."""

    @abc.abstractmethod
    def called(self) -> None:
        """A callback has returned, which followed on one of the above, or on another callback."""

    @property
    @abc.abstractmethod
    def turns(self) -> tuple[list[int], int]:
        """How many turns each bucket has, and nanoseconds in all."""

    @property
    @abc.abstractmethod
    def callbacks(self) -> tuple[list[int], int]:
        """The same of callbacks."""

    def timings(self) -> Timings:
        """Returns what has been measured so far. Any thread."""
        return Timings(_histogram(*self.turns), _histogram(*self.callbacks))


def _histogram(counts: list[int], nanoseconds: int) -> Histogram:
    return Histogram(_SECONDS, tuple(counts), nanoseconds / 1e9)


class Meter(BaseMeter):
    """``BaseMeter`` in Python; ``HotMeter`` is the same in C.

    Args:
        clock: Nanoseconds that never go back.
    """

    __slots__ = (
        "_began",
        "_callback_counts",
        "_callback_time",
        "_clock",
        "_in_turn",
        "_stamp",
        "_turn_counts",
        "_turn_time",
    )

    def __init__(self, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._clock = clock
        self._began = self._stamp = clock()
        self._in_turn = False
        self._turn_counts = [0] * (len(BOUNDS) + 1)
        self._callback_counts = [0] * (len(BOUNDS) + 1)
        self._turn_time = self._callback_time = 0

    def begin_turn(self) -> None:
        """See ``BaseMeter.begin_turn``."""
        self._began = self._stamp = self._clock()
        self._in_turn = True

    def end_turn(self) -> None:
        """See ``BaseMeter.end_turn``."""
        if not self._in_turn:
            return
        self._in_turn = False
        took = self._clock() - self._began
        self._turn_counts[bisect_left(BOUNDS, took)] += 1
        self._turn_time += took

    def look(self) -> None:
        """See ``BaseMeter.look``."""
        self._stamp = self._clock()

    def called(self) -> None:
        """See ``BaseMeter.called``."""
        now = self._clock()
        took = now - self._stamp
        self._stamp = now
        self._callback_counts[bisect_left(BOUNDS, took)] += 1
        self._callback_time += took

    @property
    def turns(self) -> tuple[list[int], int]:
        """See ``BaseMeter.turns``."""
        return self._turn_counts, self._turn_time

    @property
    def callbacks(self) -> tuple[list[int], int]:
        """See ``BaseMeter.callbacks``."""
        return self._callback_counts, self._callback_time
