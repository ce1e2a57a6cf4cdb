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

    # A signal's handler, a finalizer, and the reason itself, which is compared to others, may pause and
    # resume in between any two steps. So each looks at the end whether the reasons are what it has acted on.

    def _pause_for(self, reason: Hashable) -> None:
        if self._reasons is None:
            made: set[Hashable] = set()
            if self._reasons is None:  # a finalizer may have paused it in between
                self._reasons = made
        reasons = self._reasons
        reasons.add(reason)
        self.set_paused(True)
        if not reasons:
            self.go_on()

    def _resume_for(self, reason: Hashable) -> None:
        reasons = self._reasons
        if not reasons:
            return
        reasons.discard(reason)
        if not reasons:
            self.go_on()
            if reasons:
                self.set_paused(True)

    @abc.abstractmethod
    def set_paused(self, paused: bool) -> None:
        """Stops or resumes delivery; the poller learns of it at the end of the turn."""

    @abc.abstractmethod
    def go_on(self) -> None:
        """Reads again, for all that has come meanwhile."""
