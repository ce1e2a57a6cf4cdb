"""How long to wait for a receipt: Jacobson's estimate (RFC 6298), in the integers of the reference."""

from __future__ import annotations

__all__ = ["RoundTrip"]

_INITIAL_TIMEOUT = 200
_LEAST_TIMEOUT, _LEAST_TIMEOUT_NO_DELAY = 100, 30
_MOST_TIMEOUT = 60_000


class RoundTrip:
    """Learns the timeout of retransmissions from round trips. Milliseconds.

    Attributes:
        timeout: What a segment waits for its receipt before it is sent again.
        smoothed: The mean round trip; 0 before the first.
    """

    def __init__(self, no_delay: bool, interval: int) -> None:
        self.timeout = _INITIAL_TIMEOUT
        self.smoothed = 0
        self._variation = 0
        self._interval = interval
        self._least = _LEAST_TIMEOUT_NO_DELAY if no_delay else _LEAST_TIMEOUT

    def measured(self, duration: int) -> None:
        """Takes a round trip."""
        if not self.smoothed:
            self.smoothed = duration
            self._variation = duration // 2
        else:
            self._variation = (3 * self._variation + abs(duration - self.smoothed)) // 4
            self.smoothed = max((7 * self.smoothed + duration) // 8, 1)
        timeout = self.smoothed + max(self._interval, 4 * self._variation)
        self.timeout = min(max(timeout, self._least), _MOST_TIMEOUT)
