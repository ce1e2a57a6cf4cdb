"""What the service manager is told of a supervisor and its processes: sd_notify(3)."""

from __future__ import annotations

import enum
import math
import os
from collections.abc import Callable

from netcore.service import Notifier
from netcore.supervisor.fleet import Fleet

__all__ = ["Herald"]


class _State(enum.Enum):
    """What a service manager knows of a service, in words for people."""

    STARTING = "starting"
    READY = "ready"
    RELOADING = "reloading"
    STOPPING = "stopping"


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
        self._state = _State.STARTING
        self._told = ""
        self._rolls = fleet.rolls
        self._speaks = False
        self._pause = (notifier.watchdog_interval or math.inf) / 2
        self._due = clock() if self._pause < math.inf else math.inf

    @property
    def due(self) -> float:
        """When ``look`` is to be called though nothing has happened; infinite for never."""
        return self._due if self._speaks else math.inf

    def look(self) -> None:
        """Tells what has changed, and that all is well where that is wanted."""
        if not self._speaks:
            return
        if self._clock() >= self._due:
            self._due = self._clock() + self._pause
            self._notifier.watchdog()
        fleet = self._fleet
        if fleet.rolls != self._rolls:
            self._rolls = fleet.rolls
            if self._state in (_State.READY, _State.RELOADING) and not fleet.ending:
                # Although it may have failed by now, or another one be under way: who has sent a signal waits
                # for a word that is later than that, and for READY=1 after it (Type=notify-reload).
                self._tell(_State.RELOADING, anew=True)
        self._tell(self._present())

    def _present(self) -> _State:
        if self._fleet.ending:
            return _State.STOPPING
        if self._state is _State.STARTING:
            return _State.READY if self._fleet.complete else _State.STARTING
        return _State.RELOADING if self._fleet.rolling else _State.READY

    def _tell(self, state: _State, anew: bool = False) -> None:
        text = f"{state.value}: {self._fleet.count} of {self._fleet.wanted} processes serve"
        before, self._state = self._state, state
        if text == self._told and not anew:
            return
        self._told = text
        if state is _State.STARTING or (state is before and not anew):
            self._notifier.status(text)
        elif state is _State.READY:
            self._notifier.ready(text)
        elif state is _State.RELOADING:
            self._notifier.reloading(text)
        else:
            self._notifier.stopping(text)

    def begin(self) -> None:
        """Speaks from now on: this process is the service's main one."""
        self._speaks = True

    def hand_on(self, pid: int) -> None:
        """Tells that another process is the main one; what that says counts from then on."""
        self._notifier.main_pid(pid)

    def keep(self) -> None:
        """Tells that this one is the main one after all."""
        self._notifier.main_pid(os.getpid())

    def end(self) -> None:
        """Speaks no more: the other one says how the service is."""
        self._speaks = False
        self._notifier.close()
