"""Time that stands still until it is told to move."""

from __future__ import annotations

from netcore._durations import seconds as checked_seconds

__all__ = ["ManualClock"]


class ManualClock:
    """A clock for ``Loop``: call it for the time in seconds."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now: float = now

    def __call__(self) -> float:
        """Returns the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Moves the time on.

        Raises:
            TypeError: The step is no int or float.
            ValueError: It is not a number, or the time would go back, which a monotonic clock never does.
        """
        self.now += checked_seconds(seconds, "a step of the clock")
