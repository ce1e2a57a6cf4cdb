"""Closing what other threads may be using at the moment, without a lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

__all__ = ["CLOSED", "Users"]

CLOSED = "the poller is closed"


class Users:
    """Counts who is inside, so that the last one out, or who closes an empty house, does the closing.

    Nobody ever waits here: who is inside may be a signal handler away from waiting for who wants to close.
    The interpreter does each step on a deque or a list as a whole. Any thread, signal handlers and
    finalizers too.

    Args:
        close: Called once, after ``shut``, on the thread that finds nobody inside any more.
    """

    __slots__ = ("_close", "_inside", "is_shut")

    def __init__(self, close: Callable[[], object]) -> None:
        self.is_shut = False
        self._inside: deque[None] = deque()
        self._close = [close]

    def __enter__(self) -> bool:
        """Goes inside; returns whether it is open still. If not, there is nothing to use."""
        self._inside.append(None)  # before the look, and shut() does these in the other order
        return not self.is_shut

    def __exit__(self, *_: object) -> None:
        """Leaves."""
        self._inside.pop()
        if self.is_shut:
            self._close_if_empty()

    def shut(self) -> None:
        """Lets nobody in any more, and closes unless somebody is inside."""
        self.is_shut = True
        self._close_if_empty()

    def evict(self) -> None:
        """Closes in a forked child, where the threads that were inside do not exist."""
        self._inside = deque()
        self.shut()

    def _close_if_empty(self) -> None:
        if not self._inside:
            try:
                close = self._close.pop()
            except IndexError:  # somebody has
                return
            close()
