"""Something that is waited for, and that comes once."""

from __future__ import annotations

import threading

__all__ = ["Latch"]


class Latch:
    """Is closed until ``open``. Any thread, signal handlers and finalizers too.

    A lock that is held until then: a ``threading.Event`` has one that is taken for a moment by each call, and
    that an interrupt may find taken.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def open(self) -> None:
        """Lets those go on who wait; to be called once."""
        self._lock.release()

    def wait(self, timeout: float) -> bool:
        """Waits so many seconds for it to be open; returns whether it is."""
        if not self._lock.acquire(timeout=min(timeout, threading.TIMEOUT_MAX)):
            return False
        self._lock.release()  # for who waits besides; who comes here in between waits for this
        return True
