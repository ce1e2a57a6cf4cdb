"""Whether a loop goes on, as another thread sees it: which turn it is in, and since when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from netcore.connection import BaseCounters

__all__ = ["Pulse"]


class _Turn(Protocol):
    """What is looked at of a loop's turns."""

    sleep: list[None] | None
    """None while a turn is under way; see ``Turn``."""


class Pulse:
    """Tells how long the present turn of a loop takes already. Any thread.

    The loop does nothing for it: its turns are numbered anyway, as they begin, and it says when it sleeps.
    So the time of a turn counts from when it was first looked at, and who wants to know looks more than once.

    Args:
        counters: The loop's, which number its turns.
        clock: Seconds that never go back.
    """

    __slots__ = ("_clock", "_counters", "_seen")

    def __init__(self, counters: BaseCounters, clock: Callable[[], float]) -> None:
        self._counters = counters
        self._clock = clock
        self._seen = (-1, 0.0)  # the number of a turn, and when it was first looked at: one object, no lock

    def look(self, turn: _Turn) -> tuple[int, float] | None:
        """Returns the number of the turn, and for how many seconds it is known to last.

        Returns:
            None while the loop waits, or goes on from one turn to the next.
        """
        number = self._counters.turns
        if turn.sleep is not None or self._counters.turns != number:
            return None
        now = self._clock()
        seen, since = self._seen
        if seen != number:
            self._seen = number, now
            return number, 0.0
        return number, max(now - since, 0.0)
