"""Locks that a signal handler or a finalizer may ask for in the midst of one's own."""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["Lock", "WatchedLock", "is_held_here", "make_lock"]

Lock = Any
"""What ``make_lock`` returns: a ``threading.RLock``, which is no type on every interpreter."""


def make_lock() -> Lock:
    """Makes a re-entrant lock: a plain one would wait for the very call that the signal has interrupted."""
    return threading.RLock()


class WatchedLock:
    """Like what ``make_lock`` returns, and shows who is inside, or about to be.

    Who holds the GIL, and sees no callers, knows that nobody is inside. Whoever comes later sees what was
    done before.

    Attributes:
        callers: An entry for each. Any thread.
    """

    __slots__ = ("_lock", "callers")

    def __init__(self) -> None:
        self.callers: list[None] = []
        self._lock = make_lock()

    def acquire(self) -> None:
        """Waits until no other thread is inside."""
        self.callers.append(None)
        try:
            self._lock.acquire()
        except BaseException:  # interrupted while it waits
            self.callers.pop()
            raise

    def release(self) -> None:
        """Lets the next one in."""
        self._lock.release()
        self.callers.pop()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *raised: object) -> None:
        self.release()

    def renew(self) -> None:
        """Begins anew in a forked child, in which a thread that was inside does not exist."""
        self._lock = make_lock()
        self.callers.clear()

    def _is_owned(self) -> bool:
        return is_held_here(self._lock)


def is_held_here(lock: Lock) -> bool:
    """Tells whether the calling thread has it, and so must not wait for whoever needs it.

    It is what ``threading.Condition`` asks its lock, in every interpreter.
    """
    held: bool = lock._is_owned()
    return held
