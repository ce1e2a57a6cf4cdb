"""Complaints that may come a thousand times a second, and should be read once."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Complaints"]

_INTERVAL = 10.0
"""Seconds between two lines of the log about the same trouble."""


class Complaints:
    """Tells whether it is time to complain again. On one thread only.

    Args:
        clock: Seconds that never go back.
    """

    __slots__ = ("_clock", "_next", "_unsaid")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = float("-inf")
        self._unsaid = 0

    def due(self) -> int:
        """Returns how many complaints this one stands for, itself included; 0 if it is to be kept back."""
        self._unsaid += 1
        now = self._clock()
        if now < self._next:
            return 0
        self._next = now + _INTERVAL
        said, self._unsaid = self._unsaid, 0
        return said
