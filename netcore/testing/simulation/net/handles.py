"""What an object of the standard library's kind has of a simulated socket: its descriptor, and how it blocks.

An object that is collected without having been closed gives the ``ResourceWarning``, but its socket stays
open, unlike a real one. When that happens is the garbage collector's choice, which differs between
interpreters, and the world must not depend on it.
"""

from __future__ import annotations

import errno
import socket
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from netcore._platform import NO_WAIT
from netcore.poll import Readiness
from netcore.testing.simulation import current
from netcore.testing.simulation.net.descriptors import OpenSocket
from netcore.testing.simulation.net.failures import failure
from netcore.testing.simulation.net.kernel import Kernel
from netcore.testing.simulation.net.streams import StreamEndpoint

__all__ = ["TO_READ", "TO_WRITE", "Handle", "kernel_here", "kernel_of"]

_NONBLOCK: int = getattr(socket, "SOCK_NONBLOCK", 0)
_FLAGS = _NONBLOCK | getattr(socket, "SOCK_CLOEXEC", 0)

_ENDED = int(Readiness.HANGUP | Readiness.ERROR)
TO_READ = int(Readiness.READABLE) | _ENDED
"""What a call that receives waits for."""

TO_WRITE = int(Readiness.WRITABLE) | _ENDED
"""What a call that sends waits for."""

Result = TypeVar("Result")
HandleT = TypeVar("HandleT", bound="Handle")


def _flagged(kind: Callable[[int], int], number: int) -> int:
    """Returns a number as the one of its kind that has a name, as ``socket`` does, if there is one."""
    try:
        return kind(number)
    except ValueError:
        return number


def kernel_here() -> Kernel:
    """Returns the kernel of the host whose code runs; RuntimeError if it is no host's."""
    found = current.kernel()
    assert isinstance(found, Kernel)
    return found


def kernel_of(handle: Handle) -> Kernel:
    """Returns the kernel that has a descriptor. Any code's."""
    return handle._kernel


class Handle:
    """An object over a descriptor of the host whose code runs.

    Args:
        family: See ``socket.socket``, as for the rest.
        type: See there.
        proto: See there.
        fileno: See there.

    Raises:
        RuntimeError: No host's code runs.
    """

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        self._fd = -1
        self._closed = False
        self._io_refs = 0
        kernel = kernel_here()
        if fileno is None:
            fd = kernel.open(
                socket.AF_INET if family == -1 else family, socket.SOCK_STREAM if type == -1 else type, proto
            )
        else:
            fd = fileno
        self._kernel = kernel
        self._file: OpenSocket = kernel.file(fd)
        self._table = kernel.network.descriptors.table
        self._fd = fd
        endpoint = self._file.endpoint
        self._take: Callable[[int], bytes] | None = getattr(endpoint, "take", None)  # see ``Stream``
        own = fileno is None
        self._family = _flagged(socket.AddressFamily, endpoint.family if own or family == -1 else int(family))
        self._kind = _flagged(socket.SocketKind, endpoint.kind if own or type == -1 else int(type) & ~_FLAGS)
        self._proto = endpoint.proto if fileno is not None and proto == -1 else max(int(proto), 0)
        self._timeout: float | None = None
        if type != -1 and type & _NONBLOCK:
            self._timeout = 0.0
            self._file.blocks = self._file.blocks and not own
        else:
            self._timeout = socket.getdefaulttimeout()
            if self._timeout is not None:
                self._file.blocks = False

    # What it is

    @property
    def family(self) -> int:
        """The address family."""
        return self._family

    @property
    def type(self) -> int:
        """The type, without flags."""
        return self._kind

    @property
    def proto(self) -> int:
        """The protocol."""
        return self._proto

    @property
    def timeout(self) -> float | None:
        """Seconds that a call may block; None for as long as it takes."""
        return self._timeout

    def __repr__(self) -> str:
        shown = f"<SimulatedSocket{' [closed]' if self._closed else ''} fd={self._fd}"
        shown += f", family={int(self._family)}, type={int(self._kind)}, proto={self._proto}"
        for label, ask in (("laddr", self.getsockname), ("raddr", self.getpeername)):
            try:
                name = ask()
            except OSError:
                continue
            if name:
                shown += f", {label}={name}"
        return f"{shown}>"

    def __getstate__(self) -> None:
        raise TypeError(f"cannot pickle {self.__class__.__name__!r} object")

    def getsockname(self) -> Any:
        """Returns the local name."""
        return self._open().endpoint.getsockname()

    def getpeername(self) -> Any:
        """Returns the peer's name."""
        return self._open().endpoint.getpeername()

    # Its descriptor

    def _open(self) -> OpenSocket:
        """What it has open.

        Raises:
            OSError: It is closed, or somebody has closed its descriptor (EBADF).
        """
        file = self._file
        if self._table.get(self._fd) is not file:
            raise failure(errno.EBADF)
        return file

    def fileno(self) -> int:
        """Returns the descriptor; -1 for none any more."""
        return self._fd

    def detach(self) -> int:
        """Lets go of the descriptor, which stays open, and returns it."""
        fd, self._fd = self._fd, -1
        self._closed = True
        return fd

    def dup(self: HandleT) -> HandleT:
        """Returns an object over a duplicate of the descriptor."""
        self._open()
        copy = self.__class__(self._family, self._kind, self._proto, self._kernel.dup(self._fd))
        copy.settimeout(self._timeout)
        return copy

    def get_inheritable(self) -> bool:
        """Whether child processes would have it."""
        return self._kernel.is_inheritable(self._fd)

    def set_inheritable(self, inheritable: bool) -> None:
        """Notes whether child processes would have it; there are none here."""
        self._kernel.set_inheritable(self._fd, inheritable)

    def close(self) -> None:
        """Closes the descriptor, as soon as the files that were made of it are closed. Idempotent."""
        self._closed = True
        if self._io_refs <= 0:
            self._really_close()

    def _decref_socketios(self) -> None:
        if self._io_refs > 0:
            self._io_refs -= 1
        if self._closed:
            self.close()

    def _really_close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        file = self._file
        if self._table.get(fd) is not file:
            if self._kernel.alive:
                raise failure(errno.EBADF)
            return
        endpoint = file.endpoint
        lingers = 0.0
        if isinstance(endpoint, StreamEndpoint) and file.references == 1:
            lingers = endpoint.lingering()
        self._kernel.close(fd)
        if isinstance(endpoint, StreamEndpoint) and lingers:
            current.wait(endpoint.lingered, lingers, "the peer to have everything, as SO_LINGER asks")

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) < 0 or self._table.get(self._fd) is not self._file:
            return
        running = current.kernel_or_none()
        in_its_world = isinstance(running, Kernel) and running.network is self._kernel.network
        if in_its_world:  # else that has ended
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    def __enter__(self: HandleT) -> HandleT:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: TracebackType | None) -> None:
        if not self._closed:
            self.close()

    # Blocking

    def setblocking(self, flag: bool) -> None:
        """Whether calls block; for all duplicates of the descriptor."""
        self.settimeout(None if flag else 0.0)

    def getblocking(self) -> bool:
        """Whether calls block."""
        self._open()
        return self._timeout != 0

    def settimeout(self, value: float | None) -> None:
        """Sets how many seconds a call may block."""
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        file = self._open()
        self._timeout = None if value is None else float(value)
        file.blocks = value is None

    def gettimeout(self) -> float | None:
        """Returns how many seconds a call may block."""
        return self._timeout

    def _waits(self, file: OpenSocket, flags: int = 0) -> bool:
        """Whether a call that would block is to wait."""
        if self._timeout is None:
            return file.blocks and not flags & NO_WAIT
        return self._timeout > 0

    def _wait(self, file: OpenSocket, mask: int, deadline: float | None, what: str) -> None:
        """Lets the world go on until the socket is ready.

        Raises:
            TimeoutError: The time is over.
            OSError: Somebody has closed the descriptor meanwhile (EBADF).
        """
        left = None if deadline is None else max(deadline - current.monotonic(), 0.0)
        endpoint = file.endpoint
        if not current.wait(lambda: bool(endpoint.readiness() & mask), left, f"{what}() of {self!r}"):
            raise TimeoutError("timed out")
        self._open()

    def _deadline(self) -> float | None:
        return None if self._timeout is None else current.monotonic() + self._timeout

    def _try(self, call: Callable[[], Result], mask: int, what: str, flags: int = 0) -> Result:
        """Does a call, and again when the socket is ready as long as that would block."""
        file = self._open()
        try:
            return call()
        except BlockingIOError:
            if not self._waits(file, flags):
                raise
        deadline = self._deadline()
        while True:
            self._wait(file, mask, deadline, what)
            try:
                return call()
            except BlockingIOError:
                continue
