"""What the service manager is told of a supervisor and its processes: sd_notify(3)."""

from __future__ import annotations

import math
from collections.abc import Callable

from netcore.service import Notifier
from netcore.supervisor.fleet import Fleet

__all__ = ["Herald"]


class Herald:
    """Looks at the fleet every now and then, and tells what is new.

    Args:
        notifier: Whom it tells.
        fleet: Of what.
        clock: Seconds that never go back.
    """

    def __init__(self, notifier: Notifier, fleet: Fleet, clock: Callable[[], float]) -> None:
        self._notifier = notifier
        self._fleet = fleet
        self._clock = clock
        self._told = ""
        self._ready = False
        self._pause = (notifier.watchdog_interval or math.inf) / 2
        self._due = clock() if self._pause < math.inf else math.inf

    @property
    def due(self) -> float:
        """When ``look`` is to be called though nothing has happened; infinite for never."""
        return self._due

    def look(self) -> None:
        """Tells what has changed, and that all is well where that is wanted."""
        fleet, notifier = self._fleet, self._notifier
        if self._clock() >= self._due:
            self._due = self._clock() + self._pause
            notifier.watchdog()
        if fleet.ending:
            state = "stopping"
        elif fleet.rolling and self._ready:
            state = "reloading"
        elif fleet.complete or self._ready:
            state = "ready"
        else:
            state = "starting"
        self._ready = self._ready or state == "ready"
        text = f"{state}: {fleet.count} of {len(fleet.places)} processes serve"
        if text == self._told:
            return
        before, self._told = self._told.partition(":")[0], text
        if state == before or state == "starting":
            notifier.status(text)
        elif state == "ready":
            notifier.ready(text)
        elif state == "reloading":
            notifier.reloading(text)
        else:
            notifier.stopping(text)

    def hand_on(self, pid: int) -> None:
        """Tells that another process is the main one, which says from now on how the service is."""
        self._notifier.main_pid(pid)
        self._notifier.close()
        self._due = math.inf
