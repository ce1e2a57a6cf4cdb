"""The Linux poller: epoll(7) with an eventfd(2) as its waker.

EPOLLRDHUP is not asked for: the end of a stream is a receive of zero bytes, as on every platform,
and half-close stays invisible until the data before it has been read.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import repeat

from netcore._native import check, native
from netcore.poll.columns import Columns
from netcore.poll.protocol import Readiness

__all__ = ["EpollPoller"]

_BATCH = 256
"""Events taken in one wait: enough to amortize the call, few enough to keep replies prompt."""

_READABLE = int(Readiness.READABLE)
_ADD, _MODIFY, _REMOVE = 1, 2, 3
_CLOSED = "the poller is closed"


class EpollPoller:
    """Readiness from epoll(7), level- or edge-triggered; waits with nanosecond timeouts on Linux 5.11."""

    name = "epoll"
    supports_edge = True

    def __init__(self) -> None:
        """Opens the kernel's object.

        Raises:
            ImportError: netcore was built without its native part.
            OSError: The system has no epoll (ENOSYS), or no descriptor is left.
        """
        ffi, self._lib = native()
        self._unpack = ffi.unpack
        self._poller = ffi.new("nc_poller *")
        self._fds = ffi.new("nc_socket[]", _BATCH)
        self._readiness = ffi.new("int[]", _BATCH)
        self._closed = True
        self._wake_lock = (
            threading.RLock()
        )  # reentrant: a signal handler may call wake in the midst of a wake
        check(self._lib.nc_epoll_open(self._poller))
        self._closed = False

    def register(self, fd: int, interest: int) -> None:
        """See ``Poller.register``; epoll_ctl(2) with EPOLL_CTL_ADD."""
        self._control(_ADD, fd, interest)

    def modify(self, fd: int, interest: int) -> None:
        """See ``Poller.modify``; epoll_ctl(2) with EPOLL_CTL_MOD."""
        self._control(_MODIFY, fd, interest)

    def unregister(self, fd: int) -> None:
        """See ``Poller.unregister``; epoll_ctl(2) with EPOLL_CTL_DEL."""
        self._control(_REMOVE, fd, 0)

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        """See ``Poller.wait``; epoll_pwait2(2), or epoll_wait(2) on older kernels."""
        fds, readiness = self.wait_columns(timeout)
        return list(zip(fds, readiness or repeat(_READABLE), strict=False))

    def wait_columns(self, timeout: float | None) -> Columns:
        """See ``ColumnPoller.wait_columns``; epoll_pwait2(2), or epoll_wait(2) on older kernels."""
        if self._closed:
            raise ValueError(_CLOSED)
        fds, readiness = self._fds, self._readiness
        n = self._lib.nc_epoll_wait(
            self._poller, -1.0 if timeout is None else timeout, _BATCH, fds, readiness
        )
        if n == 1:  # the ping-pong of a single busy connection: a fraction of the general way's price
            only = readiness[0]
            return [fds[0]], None if only == _READABLE else [only]
        if n > 1:
            mixed = self._poller.seen != _READABLE
            return self._unpack(fds, n), self._unpack(readiness, n) if mixed else None
        check(n)
        return [], None

    def wake(self) -> None:
        """See ``Poller.wake``; a write to the eventfd(2). Any thread."""
        # The lock keeps the waker's descriptor from being closed, and its number reused, under the write.
        with self._wake_lock:
            if self._closed:
                raise ValueError(_CLOSED)
            check(self._lib.nc_epoll_wake(self._poller))

    def close(self) -> None:
        """See ``Poller.close``."""
        with self._wake_lock:
            if not self._closed:
                self._closed = True
                self._lib.nc_epoll_close(self._poller)

    def abandon(self) -> None:
        """Closes this process's copies of the descriptors, in a forked child; see ``Poller``."""
        self._wake_lock = threading.RLock()  # a thread that held it does not exist here
        self.close()

    def _control(self, operation: int, fd: int, interest: int) -> None:
        if self._closed:
            raise ValueError(_CLOSED)
        result = self._lib.nc_epoll_control(self._poller, operation, fd, interest)
        if result < 0:
            check(result)
