"""The Linux poller: epoll(7) with an eventfd(2) as its waker.

EPOLLRDHUP is not asked for: the end of a stream is a receive of zero bytes, as on every platform,
and half-close stays invisible until the data before it has been read.
"""

from __future__ import annotations

from netcore._native import address
from netcore.poll.native import DescriptorPoller

__all__ = ["EpollPoller"]


class EpollPoller(DescriptorPoller):
    """Readiness from epoll(7), level- or edge-triggered; waits with nanosecond timeouts on Linux 5.11.

    It registers with epoll_ctl(2), waits with epoll_pwait2(2), or epoll_wait(2) on older kernels, and is
    woken by a write to its eventfd(2).
    """

    name = "epoll"
    supports_edge = True

    def hot_control(self) -> int:
        """See ``NativePoller.hot_control``; the kernel alone keeps the table."""
        return address("nc_epoll_control")
