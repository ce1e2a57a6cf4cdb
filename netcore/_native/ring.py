"""The ring of io_uring(7) that a poller shares with the sockets that go with it."""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from netcore._native import native

if TYPE_CHECKING:
    from netcore._native._netcore import Poller

__all__ = ["Ring"]

_SYSCTL = Path("/proc/sys/kernel/io_uring_disabled")
_STATUS = Path("/proc/self/status")


class Ring:
    """What the poller that owns the kernel's object and the sockets know of it. One thread, but ``attached``.

    Attributes:
        handle: What the C functions take; they know when it is closed.
        attached: The descriptors whose bytes the ring may fetch by itself once they are registered. Any
            thread.
        adopted: Those of them that have been registered. Only these are known to the C: who closes another,
            as may happen on any thread while the ring is being closed, has nothing to ask of it.
    """

    def __init__(self, handle: Poller, mode: int) -> None:
        """Opens it. The thread that first registers or waits is the one it then belongs to.

        Args:
            handle: To be filled.
            mode: How many of the ways to set it up are passed over, from the one that asks most of the
                kernel on: 0 to 3.

        Raises:
            ImportError: netcore was built without its native part, or without liburing.
            OSError: The system refuses; the text says why.
        """
        _, lib = native()
        if not lib.nc_io_uring_built():
            raise ImportError("netcore was built without liburing, so without io_uring")
        self.attached: set[int] = set()
        self.adopted: set[int] = set()
        self.handle = handle
        code = -lib.nc_io_uring_open_as(self.handle, mode)
        if code:
            raise OSError(code, _reason(code))


def _reason(code: int) -> str:
    """Says why a ring could not be opened."""
    if code == errno.ENOSYS:
        return "this kernel has no io_uring, or one before Linux 6.0, or a seccomp filter hides it"
    if code == errno.EPERM:
        setting = _read(_SYSCTL).strip()
        if setting in ("1", "2"):
            return f"the system forbids io_uring: the sysctl kernel.io_uring_disabled is {setting}"
        if "\nSeccomp:\t2" in _read(_STATUS):
            return "a seccomp filter forbids io_uring, as those of containers do"
        return "the system forbids io_uring"
    if code == errno.ENOMEM:
        return "there is too little lockable memory for io_uring: raise RLIMIT_MEMLOCK (ulimit -l)"
    return f"io_uring cannot be set up: {errno.errorcode.get(code, code)}"


def _read(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="ascii", errors="replace")
    return ""
