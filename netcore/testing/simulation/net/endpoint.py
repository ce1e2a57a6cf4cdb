"""A socket of a simulated kernel, below its descriptor and its object.

An endpoint never blocks: what would, raises ``BlockingIOError`` (EAGAIN, or EINPROGRESS of a connect), and
the object above waits until ``readiness`` has changed. Every other failure is an ``OSError`` with the errno
that Linux gives. Names are those of the standard library: ``(host, port)`` for AF_INET, ``(host, port, flow,
scope)`` for AF_INET6, text or bytes for AF_UNIX; the host is a literal by then, or empty for every address.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

__all__ = [
    "ERROR_QUEUE",
    "PEEK",
    "Ancillary",
    "Endpoint",
    "Payload",
    "Received",
    "Stream",
    "Watched",
    "Watcher",
]

PEEK = int(socket.MSG_PEEK)
"""The flag; a plain number, since each operation on one of ``socket`` makes an object."""

ERROR_QUEUE = int(getattr(socket, "MSG_ERRQUEUE", 0))
"""The flag that asks for errors, of which simulated kernels keep none; 0 where there is none such."""

Payload = bytes | bytearray | memoryview
Ancillary = Sequence[tuple[int, int, bytes]]
"""Control messages, level, kind and data of each: what ``socket.recvmsg`` gives and ``sendmsg`` takes."""

Watcher = Callable[[int], object]
"""Called with the descriptor whenever its readiness may have changed."""


class Received(NamedTuple):
    """What one receive gives.

    Attributes:
        data: At most as many bytes as were asked for.
        name: Of the sender, as ``recvfrom`` gives it: None from a stream of the internet families.
        ancillary: Control messages, as far as they were asked for by options.
        flags: As of ``recvmsg``: MSG_TRUNC where a datagram was cut.
        length: What the system call returns: of a datagram its whole length if MSG_TRUNC was given, else that
            of the data.
    """

    data: bytes
    name: object = None
    ancillary: Ancillary = ()
    flags: int = 0
    length: int = 0


class Endpoint(Protocol):
    """What every kind of socket can be asked; section 2 of the manual says more of each.

    What a kind does not have raises OSError, EOPNOTSUPP as a rule.

    Attributes:
        family: Such as AF_INET.
        kind: SOCK_STREAM or SOCK_DGRAM, without flags.
        proto: Such as IPPROTO_TCP; what SO_PROTOCOL tells.
    """

    family: int
    kind: int
    proto: int

    def bind(self, name: object) -> None:
        """Takes a local name."""

    def connect(self, name: object) -> None:
        """Connects, or begins to. None is AF_UNSPEC, which ends a datagram socket's connection.

        Raises:
            BlockingIOError: EINPROGRESS: writable tells when it is decided, SO_ERROR how.
        """

    def listen(self, backlog: int) -> None:
        """Takes connections from now on."""

    def accept(self) -> tuple[Endpoint, object]:
        """Takes a connection, which has no descriptor yet. BlockingIOError if none waits."""

    def send(self, data: Payload, flags: int = 0, name: object = None, ancillary: Ancillary = ()) -> int:
        """Sends, and returns how many bytes were taken.

        Args:
            data: In one piece; it is copied.
            flags: As of send(2). MSG_DONTWAIT and MSG_NOSIGNAL mean nothing here.
            name: The receiver; None for the one that the socket is connected to.
            ancillary: Control messages.
        """

    def receive(self, size: int, flags: int = 0) -> Received:
        """Receives, or peeks.

        Args:
            size: Bytes at most.
            flags: As of recv(2): MSG_PEEK, MSG_TRUNC. The object above sees to MSG_WAITALL.
        """

    def shutdown(self, how: int) -> None:
        """Ends one direction or both."""

    def getsockname(self) -> object:
        """Returns the local name."""

    def getpeername(self) -> object:
        """Returns the peer's name."""

    def getsockopt(self, level: int, option: int) -> int | bytes:
        """Returns an option. The object above packs a number where bytes are asked for.

        SO_TYPE, SO_DOMAIN and SO_PROTOCOL are the object's business. SO_ERROR takes the error.
        """

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """Sets an option."""

    def readiness(self) -> int:
        """Returns what the socket is ready for now, as epoll(7) tells: flags of ``Readiness``."""

    def watch(self, fd: int, watcher: Watcher) -> None:
        """Has a watcher called whenever the readiness may have changed."""

    def unwatch(self, fd: int, watcher: Watcher) -> None:
        """Ends that; nothing if it is not so."""

    def waits(self) -> str:
        """Says what it waits for, for who wonders why nothing happens; empty for nothing but the peer."""

    def close(self) -> None:
        """Ends it, as the last descriptor has been closed: what is to be sent still is sent. Once."""

    def vanish(self) -> None:
        """Does what a crash of the host does: nothing is sent any more, nothing planned happens."""


class Stream(Endpoint, Protocol):
    """What endpoints of streams can be asked besides."""

    def take(self, size: int) -> bytes:
        """Receives without flags: ``receive`` at a lower price."""


class Watched:
    """The part of an endpoint that tells its watchers."""

    def __init__(self) -> None:
        self._watchers: tuple[tuple[Watcher, int], ...] = ()

    def watch(self, fd: int, watcher: Watcher) -> None:
        """See ``Endpoint.watch``."""
        self._watchers += ((watcher, fd),)

    def unwatch(self, fd: int, watcher: Watcher) -> None:
        """See ``Endpoint.unwatch``."""
        watchers = list(self._watchers)
        if (watcher, fd) in watchers:
            watchers.remove((watcher, fd))
            self._watchers = tuple(watchers)

    def changed(self) -> None:
        """Tells the watchers that the readiness may have changed."""
        for watcher, fd in self._watchers:
            watcher(fd)
