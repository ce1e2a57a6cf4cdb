"""Reading is paused for reasons, and goes on when none is left."""

from __future__ import annotations

import abc
from collections.abc import Hashable

from netcore.connection.core.fields import NO_FIELDS
from netcore.connection.core.life import Connection

__all__ = ["PausableConnection"]


class PausableConnection(Connection):
    """A connection whose reading several parties may pause, none of which knows of the others."""

    __slots__ = NO_FIELDS

    def pause_reading(self, reason: Hashable = None) -> None:
        """See ``Conn.pause_reading``."""
        hash(reason)  # what has none is refused here, and not on the loop
        self._on_loop(self._pause_for, reason)

    def resume_reading(self, reason: Hashable = None) -> None:
        """See ``Conn.resume_reading``."""
        hash(reason)
        self._on_loop(self._resume_for, reason)

    def _pause_for(self, reason: Hashable) -> None:
        if self._reasons is None:
            made: set[Hashable] = set()
            if self._reasons is None:  # a finalizer may have paused it in between
                self._reasons = made
        self._reasons.add(reason)
        self.set_paused(True)

    def _resume_for(self, reason: Hashable) -> None:
        reasons = self._reasons
        if reasons is None:
            return
        reasons.discard(reason)
        if not reasons:
            self._reasons = None
            self.go_on()

    @abc.abstractmethod
    def set_paused(self, paused: bool) -> None:
        """Stops or resumes delivery; the poller learns of it at the end of the turn."""

    @abc.abstractmethod
    def go_on(self) -> None:
        """Reads again, for all that has come meanwhile."""
