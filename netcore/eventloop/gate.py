"""The limit on connections that all loops of an engine share."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Protocol

from netcore._locks import make_lock

__all__ = ["Gate", "Lodger"]


class Lodger(Protocol):
    """Who has a place although its connection is over: a descriptor that lingers for the sake of its peer."""

    def give_way(self, at_once: bool) -> None:
        """Somebody else wants the place. Any thread.

        Args:
            at_once: Whether who wants it cannot wait.
        """


class Gate:
    """Counts places for connections: each has one from accept, or connect, until its descriptor is closed.

    Any thread.

    Args:
        limit: How many connections there may be.
        refuse: Whether those beyond it are to be reset rather than left in the backlog.
    """

    def __init__(self, limit: int, refuse: bool) -> None:
        self.refuse = refuse
        self._free = limit
        self._lock = make_lock()
        self._waiting: dict[Callable[[], object], None] = {}
        self._lodgers: dict[Lodger, None] = {}  # the oldest first

    def take(self, wanted: int, when_free: Callable[[], object]) -> int:
        """Takes up to ``wanted`` places. If they are short the oldest lodgers are asked to give way.

        Args:
            wanted: At least one.
            when_free: Called once, on any thread, when a place becomes free, if none is now and places are
                waited for.

        Returns:
            How many places were taken; 0 if none was free.
        """
        with self._lock:
            taken = max(min(wanted, self._free), 0)
            self._free -= taken
            missing = wanted - taken if self.refuse else int(not taken)
            if not taken and not self.refuse:
                self._waiting[when_free] = None
            oldest = list(islice(self._lodgers, missing))
            for lodger in oldest:
                del self._lodgers[lodger]
        for lodger in oldest:
            lodger.give_way(self.refuse)
        return taken + self._take_rest(missing) if oldest and self.refuse else taken

    def _take_rest(self, wanted: int) -> int:
        """Takes places that lodgers have left right away, as those of the calling thread's loop do."""
        with self._lock:
            taken = max(min(wanted, self._free), 0)
            self._free -= taken
            return taken

    def add(self, places: int) -> None:
        """Takes places for connections that this side has brought about, free or not."""
        with self._lock:
            self._free -= places

    def give_back(self, places: int) -> None:
        """Frees places, and tells those who wait."""
        with self._lock:
            self._free += places
            waiting: dict[Callable[[], object], None] = {}
            if self._free > 0:
                waiting, self._waiting = self._waiting, waiting
        for when_free in waiting:
            when_free()

    def lodge(self, lodger: Lodger) -> None:
        """Remembers who may be asked to give way; it is asked right away if others wait for a place."""
        with self._lock:
            if not self._waiting:
                self._lodgers[lodger] = None
                return
        lodger.give_way(self.refuse)

    def leave(self, lodger: Lodger) -> None:
        """Forgets a lodger, whose place is given back like any other."""
        with self._lock:
            self._lodgers.pop(lodger, None)
