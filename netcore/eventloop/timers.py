"""Calls planned for later, in a heap."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from netcore.handler import Timer

__all__ = ["PlannedCall", "TimerHeap"]

_COMPACT_FROM = 64
"""Below so many entries cancelled ones are simply left until their time comes."""


class PlannedCall(Timer):
    """A call at a time; what ``EventLoop.schedule`` returns."""

    __slots__ = ("_heap", "args", "function", "when")

    def __init__(
        self, heap: TimerHeap, when: float, function: Callable[..., object], args: tuple[object, ...]
    ):
        self._heap = heap
        self.when = when
        self.function: Callable[..., object] | None = function
        self.args = args

    def take(self) -> tuple[Callable[..., object], tuple[object, ...]] | None:
        """Returns what to call, once, or None if it was cancelled. The loop's thread."""
        args = self.args  # first: who cancels clears the function first
        function, self.function = self.function, None
        self.args = ()
        return None if function is None else (function, args)

    def cancel(self) -> None:
        """See ``Timer.cancel``."""
        if self.function is not None:
            self.function = None
            self.args = ()
            # Threads may race here and lose a count: it only decides when to compact.
            self._heap.cancelled += 1


class TimerHeap:
    """Planned calls by time, equal times in the order they were added. On the loop's thread only.

    Attributes:
        entries: The heap; the loop looks every turn whether it is empty, and nobody else touches it.
        cancelled: About how many entries are only waiting to be thrown away.
    """

    __slots__ = ("_sequence", "cancelled", "entries")

    def __init__(self) -> None:
        self.entries: list[tuple[float, int, PlannedCall]] = []
        self._sequence = itertools.count()
        self.cancelled = 0

    @property
    def armed(self) -> int:
        """About how many calls will run. Any thread."""
        return max(len(self.entries) - self.cancelled, 0)

    def add(self, call: PlannedCall) -> None:
        """Adds a call, and throws cancelled ones away when they are the majority."""
        entries = self.entries
        if len(entries) >= _COMPACT_FROM and 2 * self.cancelled > len(entries):
            entries[:] = [entry for entry in entries if entry[2].function is not None]
            heapq.heapify(entries)
            self.cancelled = 0
        heapq.heappush(entries, (call.when, next(self._sequence), call))

    def clear(self) -> None:
        """Forgets all calls."""
        self.entries.clear()
        self.cancelled = 0

    def next_time(self) -> float | None:
        """Returns when the first call is due, in seconds of the loop's clock; None if there is none."""
        entries = self.entries
        while entries and entries[0][2].function is None:
            heapq.heappop(entries)
            self.cancelled -= 1
        return entries[0][0] if entries else None

    def pop_due(self, now: float) -> list[PlannedCall]:
        """Takes out the calls that are due, in order. An earlier one may still cancel a later one."""
        due = []
        while (when := self.next_time()) is not None and when <= now:
            due.append(heapq.heappop(self.entries)[2])
        return due
