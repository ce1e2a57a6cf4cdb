"""The poller of macOS and the BSDs: kqueue(2) with EVFILT_USER as its waker, or a pipe where that is missing.

Changes of interest go to the kernel with the next wait, in the same system call. The table of interests is
kept here, since kqueue adds and removes without a word what is registered twice or never was; the descriptor
itself is checked at once.
"""

from __future__ import annotations

import errno

from netcore._native import check
from netcore.poll.native import ADD, CLOSED, MODIFY, REMOVE, DescriptorPoller

__all__ = ["KqueuePoller"]


class KqueuePoller(DescriptorPoller):
    """Readiness from kqueue(2), level- or edge-triggered (EV_CLEAR), with nanosecond timeouts.

    HANGUP is told of a descriptor watched for READ and WRITE, or for nothing: kqueue knows the end of each
    direction apart. The end of what a descriptor is watched for is always told, as READABLE or WRITABLE.
    """

    name = "kqueue"
    supports_edge = True

    def __init__(self) -> None:
        """Opens the kernel's object.

        Raises:
            ImportError: netcore was built without its native part.
            OSError: The system has no kqueue (ENOSYS), or no descriptor is left.
        """
        super().__init__()
        self._interests: dict[int, int] = {}
        self._former = self._lib.NC_FORMER

    def register(self, fd: int, interest: int) -> None:
        """See ``Poller.register``. What only the kernel's table can refuse is told by ``wait``, as ERROR."""
        if self._closed:
            raise ValueError(CLOSED)
        if fd in self._interests:
            raise FileExistsError(errno.EEXIST, f"descriptor {fd} is registered already")
        check(self._control(self._poller, ADD, fd, interest))
        self._interests[fd] = interest

    def modify(self, fd: int, interest: int) -> None:
        """See ``Poller.modify``."""
        former = self._interest_of(fd)
        change = interest | former << self._former
        check(self._control(self._poller, MODIFY, fd, change))
        self._interests[fd] = interest

    def unregister(self, fd: int) -> None:
        """See ``Poller.unregister``; the one change that does not wait: the descriptor may be closed."""
        former = self._interest_of(fd)
        del self._interests[fd]
        check(self._control(self._poller, REMOVE, fd, former << self._former))

    def _interest_of(self, fd: int) -> int:
        if self._closed:
            raise ValueError(CLOSED)
        interest = self._interests.get(fd)
        if interest is None:
            raise FileNotFoundError(errno.ENOENT, f"descriptor {fd} is not registered")
        return interest
