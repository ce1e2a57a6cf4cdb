"""The clocks of a simulated host, which may run too fast or too slow, and jump."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

from netcore._durations import seconds as checked_seconds

__all__ = ["HostClock", "check_jump", "rate_of"]

_EPOCH = 946_684_800.0
"""What ``time.time`` says on an unaltered host when the world begins: the first of January 2000, UTC."""

_FIRST = 1000.0
"""Seconds that a host's monotonic clock shows at the beginning, and those of each host so many more: who
compares clocks of two hosts is to notice."""


class HostClock:
    """The two clocks of a host: the monotonic one, and that of the wall. Call it for the monotonic time."""

    def __init__(self, world: Callable[[], float], index: int, changed: Callable[[str], object]) -> None:
        """Made by ``Host.clock``.

        Args:
            world: Tells the virtual seconds since the world began.
            index: The host's number.
            changed: Called when what the clock shows has changed, so that what waits for a time is planned
                anew; with how, in words.
        """
        self._world = world
        self._changed = changed
        self._since = 0.0
        self._shown = _FIRST * (index + 1)
        self._first = self._shown
        self._rate = 1.0
        self._wall = _EPOCH

    def __call__(self) -> float:
        """Returns the monotonic time in seconds."""
        return self._shown + (self._world() - self._since) * self._rate

    def time(self) -> float:
        """Returns the time of the wall clock, as ``time.time`` gives it."""
        return self._wall + (self() - self._first)

    @property
    def rate(self) -> float:
        """Seconds of the host for a virtual one."""
        return self._rate

    def skew(self, rate: float) -> None:
        """Has both clocks run at another rate from now on.

        Args:
            rate: Seconds of the host for a virtual one: 1.01 gains 1 %, 0.5 runs at half the speed.

        Raises:
            TypeError: It is no int or float.
            ValueError: It is not above zero, or infinite.
        """
        rate = rate_of(rate)
        self._shown, self._since = self(), self._world()
        self._rate = rate
        self._changed(f"rate {rate:g}")

    def jump(self, seconds: float) -> None:
        """Sets the wall clock forward, or back if that is negative; the monotonic one does not jump.

        Raises:
            TypeError: That is no int or float.
            ValueError: It is not a number, or infinite.
        """
        check_jump(seconds)
        self._wall += seconds
        self._changed(f"wall clock {seconds:+g} s")

    def suspend(self, seconds: float) -> None:
        """Has both clocks go forward at once, as those of a machine that has slept meanwhile.

        Raises:
            TypeError: That is no int or float.
            ValueError: It is negative, not a number, or infinite.
        """
        length = checked_seconds(seconds, "a jump of the clock")
        if length == math.inf:
            raise ValueError("a jump of the clock is infinite")
        self._shown += length
        self._changed(f"both clocks {length:+g} s")

    def after(self, seconds: float) -> float:
        """Returns the virtual time at which it shows so many seconds more than now."""
        return self._world() + seconds / self._rate

    def when(self, shown: float) -> float:
        """Returns the virtual time at which the monotonic clock shows some time, or the first after it.

        :meta private:
        """
        when = self._since + (shown - self._shown) / self._rate
        while self._shown + (when - self._since) * self._rate < shown:
            when = math.nextafter(when, math.inf)
        return when


def rate_of(rate: float) -> float:
    """Returns what the rate of a clock is to be; for errors see ``HostClock.skew``."""
    rate = checked_seconds(rate, "the rate of a clock", positive=True)
    if rate == math.inf:
        raise ValueError("the rate of a clock is infinite")
    return rate


def check_jump(seconds: float) -> None:
    """Refuses what a clock cannot jump by; for errors see ``HostClock.jump``."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"a jump of the clock is {seconds!r}: it must be an int or a float, in seconds")
    if not abs(seconds) <= sys.float_info.max:
        raise ValueError(f"a jump of the clock is {seconds!r}: it must be finite")
