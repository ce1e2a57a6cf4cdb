"""What batched socket I/O is: the few operations with which a turn talks to the kernel.

Sockets are named by descriptor and owned by one ``Sockets`` object, which belongs to one thread.
Results are numbers as the kernel gives them: a count, or the negative of an errno value.

What goes wrong with a socket is such a number. A method that raises nevertheless, for want of memory say, has
done nothing of what it was asked for: the caller asks again for each socket alone, and ends those with which
it fails once more.
"""

from __future__ import annotations

import mmap
import socket
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from netcore.address import Address
from netcore.sockets.options import SocketOptions
from netcore.sockets.resolving import Endpoint

__all__ = ["Arena", "Chunk", "Sockets", "Transport"]

Chunk = bytes | memoryview
"""A piece of output: never changed until it has been sent."""

Arena = mmap.mmap
"""Memory that is received into; see ``netcore._platform.allocate_arena``."""


class Transport(Protocol):
    """What a connection needs of the socket below it."""

    def send(self, fds: list[int], chunks: list[Chunk]) -> Sequence[tuple[int, int]]:
        """Sends chunk i to socket i, in order, as far as the kernel takes them without blocking.

        Consecutive chunks of one socket leave together. After a short write no later chunk of that
        socket is tried.

        Returns:
            Only the exceptions, in ascending order: ``(i, n)`` where chunk i has n > 0 bytes that
            were not sent, or failed with the negative errno n.
        """

    def sendfile(self, fd: int, file: int, offset: int, count: int) -> int:
        """Sends a part of a regular file, as far as the kernel takes it without blocking.

        Args:
            fd: The socket.
            file: The file's descriptor; its position is neither used nor changed.
            offset: Where in the file to begin, in bytes.
            count: Bytes to send at most, above zero.

        Returns:
            The number of bytes sent, 0 if the file ends at ``offset`` or before, or a negative errno,
            which is -EAGAIN if the kernel takes nothing at present.
        """

    def send_datagrams(self, fd: int, chunks: list[Chunk], names: list[bytes]) -> Sequence[tuple[int, int]]:
        """Sends each chunk as one datagram to its name, in order, without blocking.

        Args:
            fd: A datagram socket.
            chunks: Empty ones are datagrams too.
            names: Packed names of the receivers; ``CONNECTED`` for the peer that the socket is connected to.

        Returns:
            Only the failures, in ascending order: ``(i, n)`` where chunk i failed with the negative errno n.
            EAGAIN or ENOBUFS end the batch: they stand for chunk i and for all later ones, which were not
            tried.
        """

    def shutdown_write(self, fd: int) -> None:
        """Sends FIN and keeps the receiving half; see shutdown(2). A dead connection is no error."""

    def close(self, fds: list[int]) -> None:
        """Closes stream sockets, orderly: FIN, unless there is unread input, and never waiting for it.

        The connection ends even if a duplicate of the descriptor is open. SO_LINGER of zero seconds makes it
        a reset; above zero it is switched off, since close(2) would wait (socket(7)).
        """

    def release(self, fds: list[int]) -> None:
        """Closes descriptors only: who else has the socket open, as after dup(2) or fork(2), goes on."""

    def reset(self, fd: int) -> None:
        """Closes a stream socket with RST, dropping what is in the kernel's buffers.

        Where the system can, which is Linux only, that does not wait for duplicates to be closed. Of a
        datagram socket it is a ``release``.
        """

    def local_address(self, fd: int) -> Address:
        """The socket's own end; OSError if the kernel no longer knows."""

    def remote_name(self, fd: int) -> bytes:
        """The peer's packed name (see ``netcore.sockets.names``), by getpeername(2).

        Raises:
            OSError: There is no peer yet, or the kernel no longer knows it.
        """

    def borrow(self, fd: int) -> AbstractContextManager[socket.socket]:
        """Lends a standard socket object for the descriptor, for options; it must not be closed."""


class Sockets(Transport, Protocol):
    """Everything an event loop does with sockets, in batches."""

    name: str

    @property
    def arena(self) -> Arena:
        """Where ``receive`` puts its bytes; the next ``receive`` overwrites them."""

    def attach(self, fd: int) -> None:
        """Takes over a non-blocking socket that came from ``accept`` or was detached elsewhere.

        If it raises, the caller has ``reset`` close the descriptor all the same.
        """

    def accept(self, fd: int, limit: int) -> tuple[list[tuple[int, bytes]], int]:
        """Accepts up to ``limit`` connections from a listener.

        Returns:
            Pairs of a new descriptor, non-blocking, close-on-exec and not attached, and its peer's
            packed name (see ``netcore.sockets.names``); and the negative errno that ended the
            batch, 0 if none did.
        """

    def connect(self, endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[int, int]:
        """Makes a socket and begins to connect it, without blocking.

        See socket(2) and connect(2).

        Args:
            endpoint: Where to. A host in it must be an IP address: a name would be looked up, which blocks.
            kind: SOCK_STREAM or SOCK_DGRAM.
            options: Set on the socket before it is connected.

        Returns:
            The new descriptor, non-blocking, close-on-exec and attached, and 0 if it is connected already,
            or -EINPROGRESS while that is under way: it becomes writable, then ``connected`` tells what came
            of it. Otherwise -1 and the negative errno with which it has failed, nothing being left open.
            -EAGAIN is a Unix listener whose backlog is full, to be tried again later.

        Raises:
            UnsupportedOperationError: See ``SocketOptions.apply``; nothing is left open.
        """

    def connected(self, fd: int) -> int:
        """Asks whether a socket that ``connect`` has made is connected; SO_ERROR, then getpeername(2).

        To be asked when it is reported writable or failed, which is a hint only.

        Returns:
            0 if it is, -EINPROGRESS if it is not yet, or the negative errno with which it has failed. That is
            told once, and leaves the descriptor to be closed.
        """

    def receive(self, fds: list[int]) -> list[int]:
        """Receives once from each socket, one after the other into the arena.

        Returns:
            Per socket the number of bytes, 0 at the end of the stream, or a negative errno. The
            list is shorter than ``fds`` if the arena is full: handle these, then ask for the rest.
        """

    def receive_datagrams(self, fd: int, limit: int) -> tuple[list[tuple[bytes | None, bytes]], int]:
        """Receives up to ``limit`` datagrams from one socket; fewer if there are no more.

        Returns:
            Pairs of what has come and its sender's packed name, None standing for a datagram that was too
            long to be received whole and is lost; and the negative errno that ended the batch, such as an
            ICMP error, 0 if none did.
        """

    def renew_arena(self) -> None:
        """Goes on with fresh memory because somebody still looks at the old one."""


class Releasing(Protocol):
    """What sockets may have as well, so that connections can change their loop; without it they stay.

    Attributes:
        detaches: Whether it may be asked to; not if it receives before it is told to.
    """

    detaches: bool

    def detach(self, fd: int) -> None:
        """Lets go of an attached connection, which stays open, for another loop's sockets to attach.

        No poller has it registered.
        """
