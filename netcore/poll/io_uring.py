"""The other Linux poller, io_uring(7), which also fetches bytes; opt-in.

As a poller alone it watches descriptors by poll requests. Its strength is the sockets that go with it
(``netcore.sockets.IoUringSockets``): what is attached to them is read by the kernel itself, a wait brings
the bytes along with the readiness, and all sends of a turn are one system call.

A multishot request is ended, and its end awaited, before its descriptor is closed: it holds the kernel's
file open, and so would hold back the FIN.
"""

from __future__ import annotations

from netcore._native import check
from netcore._native.ring import Ring
from netcore.poll.native import CLOSED, DescriptorPoller

__all__ = ["IoUringPoller"]


class IoUringPoller(DescriptorPoller):
    """Readiness from io_uring(7), level- or edge-triggered; Linux 6.0 and later.

    The first ``fileno`` may replace the ring by one that can be watched, which costs each turn a little; for
    that moment it needs one more descriptor.

    Attributes:
        ring: What ``open_sockets`` makes the sockets of, so that the two work together.
    """

    name = "io_uring"
    supports_edge = True

    def __init__(self, mode: int = 0) -> None:
        """Opens the kernel's object; see ``Ring``.

        Raises:
            ImportError: netcore was built without its native part, or without liburing.
            OSError: The system refuses, and says why; or no descriptor is left.
        """
        self._mode = mode
        super().__init__()

    def _open(self) -> None:
        self.ring: Ring = Ring(self._poller, self._mode)

    def register(self, fd: int, interest: int) -> None:
        """See ``Poller.register``; poll_add, or for attached connections multishot receive."""
        if self._closed:
            raise ValueError(CLOSED)
        if fd in self.ring.attached:
            check(self._lib.nc_io_uring_adopt(self._poller, fd, interest))
            self.ring.adopted.add(fd)
        else:
            super().register(fd, interest)
