"""The limit on connections that all loops of an engine share."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Gate"]


class Gate:
    """Counts places for connections. Any thread.

    Args:
        limit: How many connections there may be.
        refuse: Whether those beyond it are to be reset rather than left in the backlog.
    """

    def __init__(self, limit: int, refuse: bool) -> None:
        self.refuse = refuse
        self._free = limit
        self._lock = threading.Lock()
        self._waiting: list[Callable[[], object]] = []

    def take(self, wanted: int, when_free: Callable[[], object]) -> int:
        """Takes up to ``wanted`` places.

        Args:
            wanted: At least one.
            when_free: Called once, on any thread, when a place becomes free, if none is now.

        Returns:
            How many places were taken; 0 if none was free.
        """
        with self._lock:
            taken = max(min(wanted, self._free), 0)
            self._free -= taken
            if not taken and not self.refuse:
                self._waiting.append(when_free)
            return taken

    def add(self, places: int) -> None:
        """Takes places for connections that this side has brought about, free or not."""
        with self._lock:
            self._free -= places

    def give_back(self, places: int) -> None:
        """Frees places, and tells those who wait."""
        with self._lock:
            self._free += places
            waiting: list[Callable[[], object]] = []
            if self._free > 0:
                waiting, self._waiting = self._waiting, waiting
        for when_free in waiting:
            when_free()
