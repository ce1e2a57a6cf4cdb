"""A descriptor kept in reserve, for when there is no other left.

A process at its limit of open descriptors cannot accept, and so cannot even turn anybody away: peers wait in
the backlog for an answer that does not come, and the listener stays readable all the while. With one
descriptor given up there is room to accept a peer and close it, one after the other.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

__all__ = ["EXHAUSTED", "Reserve"]

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, getattr(errno, "WSAEMFILE", errno.EMFILE)})
"""What the system says when the process, or the whole machine, has no descriptor left."""


class Reserve:
    """One open descriptor that stands for a free one. On one thread only."""

    __slots__ = ("_fd",)

    def __init__(self) -> None:
        self._fd = -1

    def __del__(self) -> None:
        """Closes it."""
        self.spend()

    def fill(self) -> bool:
        """Opens it unless it is open; returns whether it is now. open(2) of the null device."""
        if self._fd < 0:
            try:
                self._fd = os.open(os.devnull, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            except OSError:
                return False
        return True

    def spend(self) -> bool:
        """Closes it, so that a descriptor is free; returns whether it was open."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return False
        with suppress(OSError):  # it is gone whatever close(2) says
            os.close(fd)
        return True
