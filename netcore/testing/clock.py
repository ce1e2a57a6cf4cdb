"""Time that stands still until it is told to move."""

from __future__ import annotations

__all__ = ["ManualClock"]


class ManualClock:
    """A clock for ``Loop``: call it for the time in seconds."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Returns the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Moves the time on.

        Raises:
            ValueError: The time would go back, which a monotonic clock never does.
        """
        if seconds < 0:
            raise ValueError(f"a clock cannot go back by {-seconds} s")
        self.now += seconds
