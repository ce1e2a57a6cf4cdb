"""What a descriptor belongs to that is no connection."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Watcher"]


class Watcher(Protocol):
    """A listener, or a dial under way."""

    def ready(self, readiness: int) -> None:
        """Called on the loop's thread when the poller reports the descriptor."""
