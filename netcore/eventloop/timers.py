"""Calls planned for later, in a heap."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from typing import Any

from netcore.handler import Timer

__all__ = ["PlannedCall", "TimerHeap"]

_COMPACT_FROM = 64
"""Fewer cancelled calls than these are simply left until their time comes."""

_WHEN, _FUNCTION, _ARGS, _HEAP = 0, 2, 3, 4


class PlannedCall(list[Any], Timer):
    """A call at a time; what ``EventLoop.schedule`` returns.

    It is a list of its time, its number, its function, the arguments and its heap: one object for the heap
    to compare in C and for the garbage collector to visit, where an object in a tuple would be two. The
    number tells apart calls of the same time, so that nothing behind it is ever compared.
    """

    __slots__ = ()
    __hash__ = object.__hash__  # type: ignore[assignment]  # a list has none

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self[_WHEN]:.3f}, {self[_FUNCTION] or 'cancelled or over'}>"

    def take(self) -> tuple[Callable[..., object], tuple[object, ...]] | None:
        """Returns what to call, once, or None if it was cancelled. The loop's thread."""
        args = self[_ARGS]  # first: who cancels clears the function first
        function = self[_FUNCTION]
        self[_FUNCTION] = None
        self[_ARGS] = ()
        return None if function is None else (function, args)

    def cancel(self) -> None:
        """See ``Timer.cancel``."""
        if self[_FUNCTION] is not None:
            self[_FUNCTION] = None
            self[_ARGS] = ()
            # Threads may race here and lose a count: it only decides when to compact.
            self[_HEAP].cancelled += 1


class TimerHeap:
    """Planned calls by time, equal times in the order they were planned. On the loop's thread only.

    There a signal handler or a finalizer may come in between any two steps, and add a call. Nothing that was
    seen before such a moment is relied on after it: what is taken out is looked at once more.

    Attributes:
        entries: The heap; the loop looks every turn whether it is empty, and nobody else touches it.
        cancelled: About how many entries are only waiting to be thrown away.
    """

    __slots__ = ("_compacting", "_late", "_next_number", "cancelled", "entries")

    def __init__(self) -> None:
        self.entries: list[PlannedCall] = []
        self.cancelled = 0
        self._compacting = False
        self._late: list[PlannedCall] = []  # what came while the cancelled ones were thrown away
        self._next_number = itertools.count().__next__

    def clear(self) -> None:
        """Forgets all calls, in a forked child."""
        self.entries.clear()
        self.cancelled = 0

    @property
    def armed(self) -> int:
        """About how many calls will run. Any thread."""
        return max(len(self.entries) - self.cancelled, 0)

    def plan(self, when: float, function: Callable[..., object], args: tuple[object, ...]) -> PlannedCall:
        """Makes a call that ``add`` is still to be given. Any thread."""
        return PlannedCall((when, self._next_number(), function, args, self))

    def add(self, call: PlannedCall) -> None:
        """Adds a call, and throws cancelled ones away when they are the majority.

        A call at an infinite time never comes, and need not be waited for.
        """
        if call[_WHEN] == math.inf:
            call.take()
            return
        if self._compacting:
            self._late.append(call)
            return
        if self.cancelled > _COMPACT_FROM and 2 * self.cancelled > len(self.entries):
            self._compact()
        heapq.heappush(self.entries, call)

    def _compact(self) -> None:
        self._compacting = True
        try:
            self.entries[:] = [entry for entry in self.entries if entry[_FUNCTION] is not None]
            heapq.heapify(self.entries)
            self.cancelled = 0
        finally:
            self._compacting = False
            while self._late:
                heapq.heappush(self.entries, self._late.pop())

    def next_time(self) -> float | None:
        """Returns when the first call is due, in seconds of the loop's clock; None if there is none."""
        entries = self.entries
        while entries:
            first = entries[0]
            if first[_FUNCTION] is not None:
                return float(first[_WHEN])
            taken = heapq.heappop(entries)
            if taken is first:
                self.cancelled -= 1
            else:  # which has come in between
                heapq.heappush(entries, taken)
        return None

    def pop_due(self, now: float, limit: int = 1 << 62) -> list[PlannedCall]:
        """Takes out the calls that are due, in order. An earlier one may still cancel a later one.

        Args:
            now: Seconds of the loop's clock.
            limit: How many at most; those beyond are due still.
        """
        due: list[PlannedCall] = []
        while len(due) < limit and (when := self.next_time()) is not None and when <= now:
            call = heapq.heappop(self.entries)
            if call[_WHEN] <= now:
                due.append(call)
            else:  # which has come in between
                heapq.heappush(self.entries, call)
        return due
