"""The Linux poller: epoll(7) with an eventfd(2) as its waker.

EPOLLRDHUP is not asked for: the end of a stream is a receive of zero bytes, as on every platform,
and half-close stays invisible until the data before it has been read.
"""

from __future__ import annotations

from netcore._native import check
from netcore.poll.native import CLOSED, NativePoller

__all__ = ["EpollPoller"]

_ADD, _MODIFY, _REMOVE = 1, 2, 3


class EpollPoller(NativePoller):
    """Readiness from epoll(7), level- or edge-triggered; waits with nanosecond timeouts on Linux 5.11."""

    name = "epoll"
    supports_edge = True

    def register(self, fd: int, interest: int) -> None:
        """See ``Poller.register``; epoll_ctl(2) with EPOLL_CTL_ADD."""
        self._change(_ADD, fd, interest)

    def modify(self, fd: int, interest: int) -> None:
        """See ``Poller.modify``; epoll_ctl(2) with EPOLL_CTL_MOD."""
        self._change(_MODIFY, fd, interest)

    def unregister(self, fd: int) -> None:
        """See ``Poller.unregister``; epoll_ctl(2) with EPOLL_CTL_DEL."""
        self._change(_REMOVE, fd, 0)

    def _change(self, operation: int, fd: int, interest: int) -> None:
        if self._closed:
            raise ValueError(CLOSED)
        result = self._control(self._poller, operation, fd, interest)
        if result < 0:
            check(result)
