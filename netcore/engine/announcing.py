"""What the service manager hears of an engine that ``run`` serves; see sd_notify(3)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Protocol

from netcore._complaints import plain
from netcore.address import Address
from netcore.options import Options
from netcore.service import Notifier

__all__ = ["Announcements", "where"]

_NAP = 1.0
"""Seconds between two looks at an engine, at most."""

_GRACE = 2.0
"""Seconds that an end may take beyond ``Options.shutdown_timeout``, with ``on_shutdown``."""


class _Engine(Protocol):
    """What is told of."""

    options: Options

    @property
    def addresses(self) -> tuple[Address, ...]: ...

    @property
    def connection_count(self) -> int: ...

    def stuck_for(self) -> float: ...


class Announcements:
    """Says when an engine is ready, that it lives, and that it stops. On the thread that waits for its end.

    A watchdog is fed as long as no loop is in the same turn for half of its time, and again once a longer
    turn has ended.

    Args:
        engine: Of whom.
        notifier: To whom.
        clock: Returns seconds.
    """

    def __init__(
        self, engine: _Engine, notifier: Notifier, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._notifier = notifier
        self._clock = clock
        self._due = -math.inf

    def serves(self) -> None:
        """It accepts."""
        self._notifier.ready(where(self._engine.addresses))

    def ends(self) -> None:
        """It has begun to stop, for which it takes its time."""
        options = self._engine.options
        count = self._engine.connection_count
        self._notifier.stopping(f"stopping, {count} connection{'s' * (count != 1)} open")
        time_left = options.shutdown_delay + options.shutdown_timeout + _GRACE
        if time_left < math.inf:
            self._notifier.extend_timeout(time_left)

    def lives(self) -> float:
        """Feeds the watchdog if it is due, and sends what has waited; returns seconds until the next look."""
        interval = self._notifier.watchdog_interval
        if interval is None:
            self._notifier.flush()
            return _NAP
        now = self._clock()
        if now >= self._due:
            if self._engine.stuck_for() >= interval / 2:
                return min(interval / 10, _NAP)
            self._notifier.watchdog()
            self._due = now + interval / 2
        return min(self._due - now, _NAP)


def where(addresses: tuple[Address, ...]) -> str:
    """Returns the status of a service that serves, in one line: a path may have anything in it."""
    return f"listening on {', '.join(map(plain, addresses))}"
