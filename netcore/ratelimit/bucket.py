"""A token bucket: so many tokens a second, and so many that can be saved up. It does no I/O."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

from netcore._locks import make_lock
from netcore._machine import monotonic

__all__ = ["TokenBucket"]

_DEEPEST = -1e300
"""Tokens that are owed at most: from minus infinity there would be no way back."""

_SLACK = 0.001
"""Of a token: what seconds as a float may be off. It is owed, so nothing is gained by it in the long run."""


class TokenBucket:
    """Fills with ``rate`` tokens a second up to ``burst``, of which there are as many at first. Any thread.

    A token is whatever is counted: a byte, a message, a connection. There are two ways to spend them:
    ``take`` is for what can be refused, and takes all that is asked for, or nothing. ``charge`` is for what
    has happened already: it takes them even if they are not there, and says how long nothing more should.

    Over any time at most ``burst`` and what the rate gives are taken. Who waits as ``charge`` says exceeds
    that by no more than the last charge.
    """

    __slots__ = ("_clock", "_lock", "_looked", "_tokens", "burst", "rate")

    def __init__(
        self, rate: float, burst: float | None = None, *, clock: Callable[[], float] = monotonic
    ) -> None:
        """Makes a full bucket.

        Args:
            rate: Tokens a second.
            burst: The most that it holds; None for those of one second, and one at least.
            clock: Tells the time in seconds; it never goes back.

        Raises:
            TypeError: That is no number.
            ValueError: The rate is not above zero, or infinite, or the burst is below one, or infinite.
        """
        self.rate: float = _number(rate, "a rate")
        if not 0 < self.rate < math.inf:
            raise ValueError(f"a rate is {rate!r}: it must be above zero, and finite")
        self.burst: float = max(self.rate, 1.0) if burst is None else _number(burst, "a burst")
        if not 1 <= self.burst < math.inf:
            raise ValueError(f"a burst is {burst!r}: it must be 1 or more, and finite")
        self._clock = clock
        self._lock = make_lock()
        self._tokens = self.burst
        self._looked = clock()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.rate:g}/s, {self.tokens:g} of {self.burst:g}>"

    @property
    def tokens(self) -> float:
        """How many there are; negative if more were charged than there were."""
        with self._lock:
            return self._fill()

    @property
    def is_full(self) -> bool:
        """Whether it is as a new one would be."""
        return self.tokens >= self.burst

    def take(self, n: float = 1) -> bool:
        """Takes n tokens if they are there.

        Args:
            n: How many; more than ``burst`` are never there.

        Returns:
            Whether they were there. If not, nothing was taken.

        Raises:
            ValueError: n is negative, or infinite.
        """
        _check_count(n)
        with self._lock:
            left = self._fill() - n
            if left < -_SLACK:
                return False
            self._tokens = left
            return True

    def charge(self, n: float = 1) -> float:
        """Takes n tokens, be they there or not.

        Who waits for so long, before doing again what it pays for, keeps to the rate. Several who do so by
        one bucket come in the order in which they were charged.

        Returns:
            Seconds until there is a token again; 0.0 if there is one.

        Raises:
            ValueError: n is negative, or infinite.
        """
        _check_count(n)
        with self._lock:
            self._tokens = left = max(self._fill() - n, _DEEPEST)
        return 0.0 if left >= 1 - _SLACK else (1 - left) / self.rate

    def _fill(self) -> float:
        now = self._clock()
        if now > self._looked:
            self._tokens = min(self._tokens + (now - self._looked) * self.rate, self.burst)
            self._looked = now
        return self._tokens


def _number(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} is {value!r}: it must be an int or a float")
    try:
        return float(value)
    except OverflowError:  # an int that no float is as large as
        return math.inf if value > 0 else -math.inf


def _check_count(n: float) -> None:
    if not 0 <= n <= sys.float_info.max:  # nan is neither
        raise ValueError(f"{n!r} tokens cannot be taken")
