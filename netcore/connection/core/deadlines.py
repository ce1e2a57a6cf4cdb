"""The deadlines of a connection, and the progress that puts them off."""

from __future__ import annotations

import math
from collections.abc import Callable

from netcore.connection.core.fields import NO_FIELDS
from netcore.handler import Timeout

__all__ = ["STALL", "BaseDeadlines", "Deadlines"]

STALL = 1 / 32
"""Seconds by which a loop may be late; what it is more late by is not to be a peer's loss."""

_LATE = 2 * STALL
"""The same for a deadline, which the wheel meets up to 1/32 s after its time."""


def _ignore(kind: Timeout, late: bool = False) -> None:
    """Stands in for a connection that is gone."""


class BaseDeadlines:
    """Up to three periods of grace, each beginning anew with progress. Connections without any have none.

    Args:
        now: The time, in seconds of the loop's clock.
        timed_out: Called with the kind of a deadline that was met.
        ask: Called with it before, and with whether it is late, to ask the kernel for progress that the loop
            has not got round to: what had arrived before a stall counts, be it a slow callback or a process
            that was stopped.

    Attributes:
        last_in: When bytes were last received; set by who receives them.
        slot: Where the timing wheel has them; None for nowhere. The wheel's own.
    """

    __slots__ = NO_FIELDS

    FIELDS = ("_armed", "_ask", "_periods", "_stalled", "_timed_out", "slot")

    last_in: float
    _last_out: float
    _wrote_at: float
    _queued: int

    def __init__(
        self,
        now: float,
        timed_out: Callable[[Timeout], object],
        ask: Callable[[Timeout, bool], object] = _ignore,
    ) -> None:
        self.slot: int | None = None
        self._ask = ask
        self._timed_out = timed_out
        self._periods: dict[Timeout, float] = {}
        self._armed: dict[Timeout, float] = {}
        self.last_in = self._last_out = self._wrote_at = now
        self._stalled = math.inf  # since when output waits without progress; inf for not at all
        self._queued = 0

    def set(self, kind: Timeout, seconds: float | None, now: float) -> None:
        """Arms a deadline from now on, or disarms it with None."""
        if seconds is None:
            self._periods.pop(kind, None)
        else:
            self._periods[kind] = seconds
            self._armed[kind] = now

    @property
    def times_output(self) -> bool:
        """Whether the peer has a time to take what is sent."""
        return Timeout.WRITE in self._periods

    def disarm(self) -> None:
        """Ends all of them, and lets go of the connection."""
        self._periods.clear()
        self._timed_out = self._ask = _ignore

    def wrote(self, size: int, now: float) -> None:
        """So many bytes go to the kernel at the end of this turn, with nothing in front of them.

        That counts as progress. ``flushed`` need not be called unless the kernel leaves some of them: what
        was written at earlier times has been taken, then.
        """
        if now != self._wrote_at:
            self._last_out = self._wrote_at
            self._wrote_at = now
            self._queued = 0
        self._queued += size

    def left(self, since: float, now: float) -> None:
        """What was written since some time of this turn goes to the kernel only now: the turn was slow."""
        if self._wrote_at >= since:
            self._wrote_at = now

    def queued(self, size: int) -> None:
        """So many bytes have been written, and wait behind others."""
        self._queued += size

    def flushed(self, unsent: int, now: float) -> None:
        """The kernel has been offered what was queued, and has left so many bytes."""
        progress = self._queued > unsent
        self._queued = unsent
        if progress:
            self._last_out = now
        else:
            self._wrote_at = self._last_out
        if not unsent:
            self._stalled = math.inf
        elif progress or self._stalled == math.inf:
            self._stalled = now

    def next_due(self) -> float | None:
        """Returns when the first deadline is met unless there is progress; None if none runs."""
        due = min(map(self._due, self._periods), default=math.inf)
        return None if due == math.inf else due

    def check(self, now: float) -> None:
        """Reports each deadline that is met, and gives it another period."""
        for kind in list(self._periods):
            if self._is_met(kind, now):
                self._ask(kind, now - self._due(kind) > _LATE)
            if self._is_met(kind, now):
                self._armed[kind] = now
                self._timed_out(kind)

    def _is_met(self, kind: Timeout, now: float) -> bool:
        return kind in self._periods and self._due(kind) <= now

    def _due(self, kind: Timeout) -> float:
        if kind is Timeout.READ:
            progress = self.last_in
        elif kind is Timeout.WRITE:
            progress = self._stalled  # a peer that is sent nothing cannot be slow in taking it
        else:
            progress = max(self.last_in, self._last_out, self._wrote_at)
        return max(self._armed[kind], progress) + self._periods[kind]


class Deadlines(BaseDeadlines):
    """Those of a connection that is in Python."""

    __slots__ = (*BaseDeadlines.FIELDS, "_last_out", "_queued", "_wrote_at", "last_in")
