"""What pollers in C have in common: the functions of one backend, and the arrays that they fill."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import repeat

from netcore._durations import seconds, waitable
from netcore._native import address, check, native
from netcore.poll.columns import Columns
from netcore.poll.protocol import Readiness
from netcore.poll.users import CLOSED, Users

__all__ = ["ADD", "CLOSED", "MODIFY", "REMOVE", "DescriptorPoller", "NativePoller"]

ADD, MODIFY, REMOVE = 1, 2, 3
"""The operations of ``nc_NAME_control``."""

_BATCH = 256
"""Events taken in one wait: enough to amortize the call, few enough to keep replies prompt."""

_READABLE = int(Readiness.READABLE)

_ENDLESS = -1.0
"""A wait without limit, in C."""

_LONG = 1e6
"""Seconds; what is shorter needs no second look."""


class NativePoller:
    """All that a poller does, for a backend whose kernel keeps the table of interests.

    Attributes:
        name: Of the poller, and of its functions in C: ``nc_NAME_open`` and so on.
    """

    name: str
    supports_edge: bool

    def __init__(self) -> None:
        """Opens the kernel's object.

        Raises:
            ImportError: netcore was built without its native part.
            OSError: The system lacks the backend (ENOSYS), or no descriptor is left.
        """
        ffi, self._lib = native()
        self._unpack = ffi.unpack
        self._poller = ffi.new("nc_poller *")
        self._fds = ffi.new("nc_socket[]", _BATCH)
        self._readiness = ffi.new("int[]", _BATCH)
        self._wait, self._wake, self._close, self._control = (
            getattr(self._lib, f"nc_{self.name}_{function}")
            for function in ("wait", "wake", "close", "control")
        )
        self._closed = True
        self._users = Users(partial(self._close, self._poller))
        self._open()
        self._closed = False

    def _open(self) -> None:
        check(getattr(self._lib, f"nc_{self.name}_open")(self._poller))

    def register(self, fd: int, interest: int) -> None:
        """See ``Poller.register``."""
        self._change(ADD, fd, interest)

    def modify(self, fd: int, interest: int) -> None:
        """See ``Poller.modify``."""
        self._change(MODIFY, fd, interest)

    def unregister(self, fd: int) -> None:
        """See ``Poller.unregister``."""
        self._change(REMOVE, fd, 0)

    def _change(self, operation: int, fd: int, interest: int) -> None:
        if self._closed:
            raise ValueError(CLOSED)
        result = self._control(self._poller, operation, fd, interest)
        if result < 0:
            check(result)

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        """See ``Poller.wait``."""
        fds, readiness = self.wait_columns(timeout)
        return list(zip(fds, readiness or repeat(_READABLE), strict=False))

    def wait_columns(self, timeout: float | None) -> Columns:
        """See ``ColumnPoller.wait_columns``."""
        if self._closed:
            raise ValueError(CLOSED)
        fds, readiness = self._fds, self._readiness
        if timeout is None:
            limit = _ENDLESS
        elif timeout.__class__ is float and 0.0 <= timeout < _LONG:  # spares most waits a call
            limit = timeout
        else:
            longest = waitable(seconds(timeout, "a timeout"))
            limit = _ENDLESS if longest is None else longest
        n = self._wait(self._poller, limit, _BATCH, fds, readiness)
        if n == 1:  # the ping-pong of a single busy connection: a fraction of the general way's price
            only = readiness[0]
            return [fds[0]], None if only == _READABLE else [only]
        if n > 1:
            mixed = self._poller.seen != _READABLE
            return self._unpack(fds, n), self._unpack(readiness, n) if mixed else None
        check(n)
        return [], None

    def hot_wait(self) -> tuple[object, int, int]:
        """Returns what C needs to wait by itself: its memory's owner, its address, and that of ``wait``."""
        return self._poller, address(self._poller), address(f"nc_{self.name}_wait")

    def hot_control(self) -> int:
        """Returns where C finds what registers and removes; 0 if it must leave that to Python."""
        return 0

    def wake(self) -> None:
        """See ``Poller.wake``. Any thread."""
        # The waker must not be closed, and its number reused, under the call.
        with self._users as is_open:
            if not is_open:
                raise ValueError(CLOSED)
            check(self._wake(self._poller))

    def close(self) -> None:
        """See ``Poller.close``."""
        if not self._closed:
            self._closed = True
            self._users.shut()

    def abandon(self) -> None:
        """Closes this process's copies of the descriptors, in a forked child; see ``Poller``."""
        if not self._closed:
            self._closed = True
            self._users.evict()


class DescriptorPoller(NativePoller):
    """A native poller whose kernel object is a descriptor, which another loop can watch."""

    def fileno(self) -> int:
        """Returns the descriptor for another loop to watch; see ``Poller``.

        Raises:
            ValueError: The poller is closed.
            OSError: The system refused what had to be submitted.
        """
        if self._closed:
            raise ValueError(CLOSED)
        return check(getattr(self._lib, f"nc_{self.name}_fileno")(self._poller))
