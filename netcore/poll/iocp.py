"""The Windows poller: an I/O completion port, to which AFD, the driver below Winsock, tells readiness.

A poll request is told once, so that every wait repeats those that were: level-triggered readiness. It is the
way of wepoll, libuv and mio, and knows no limit to the number of sockets, as select there does.
"""

from __future__ import annotations

from netcore.poll.native import NativePoller
from netcore.poll.protocol import Interest

__all__ = ["IocpPoller"]

_EDGE = int(Interest.EDGE)


class IocpPoller(NativePoller):
    """Readiness from an I/O completion port, level-triggered only, for sockets only.

    It waits with ``GetQueuedCompletionStatusEx``, in milliseconds, and is woken by
    ``PostQueuedCompletionStatus``.
    """

    name = "iocp"
    supports_edge = False

    def register(self, fd: int, interest: int) -> None:
        """See ``Poller.register``; ``ValueError`` also for an edge-triggered interest."""
        _check_interest(interest)
        super().register(fd, interest)

    def modify(self, fd: int, interest: int) -> None:
        """See ``Poller.modify``."""
        _check_interest(interest)
        super().modify(fd, interest)


def _check_interest(interest: int) -> None:
    if interest & _EDGE:
        raise ValueError("the iocp poller is level-triggered only: it cannot watch with EDGE")
