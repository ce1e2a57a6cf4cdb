"""Where batched socket I/O is put to the test: sockets of its own, and plain sockets at their far ends."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

from netcore._platform import socket_over
from netcore.sockets import Chunk, Sockets, receive_one_of, send_one_of
from netcore.testing.conformance import wires
from netcore.testing.conformance.rules import require
from netcore.testing.conformance.surroundings import Surroundings, surroundings
from netcore.testing.conformance.wires import tcp_pair, wait_ready

__all__ = ["SocketsBench", "is_open", "receive_all", "receive_exactly"]

_BUFFER = 1 << 18
"""Bytes of the kernel's buffers of a pair; macOS starts with 8 KiB. Linux counts its own structures too."""

_SOON = 0.01
"""Seconds after which what loopback brings is there as a rule; else it is tried again."""


class SocketsBench:
    """The sockets being checked, the descriptors they own, and the peers of these.

    Args:
        sockets: What is to be checked.
        singly: Whether a batch of one goes through ``receive_one`` and ``send_one``, where there are these.

    Attributes:
        sockets: What is being checked.
        surroundings: What there is besides.
    """

    def __init__(self, sockets: Sockets, singly: bool = False) -> None:
        self.sockets = sockets
        self.surroundings: Surroundings = surroundings()
        self._singly = singly
        self._receive_one = receive_one_of(sockets)
        self._send_one = send_one_of(sockets)
        self._owned: set[int] = set()
        self._peers: list[socket.socket] = []

    def adopt(self, sock: socket.socket) -> int:
        """Hands a socket over to the sockets being checked; returns its descriptor."""
        sock.setblocking(False)
        fd = sock.detach()
        self.attach(fd)
        return fd

    def attach(self, fd: int) -> None:
        """Attaches a descriptor, which is closed at the end."""
        self.sockets.attach(fd)
        self.own(fd)

    def own(self, fd: int) -> None:
        """Notes a descriptor that is attached already, which is closed at the end."""
        self._owned.add(fd)

    def keep(self, peer: socket.socket) -> socket.socket:
        """Closes a peer at the end, and limits how long it waits until then."""
        peer.settimeout(wires.PATIENCE)
        self._peers.append(peer)
        return peer

    def pair(self, tcp: bool = False) -> tuple[int, socket.socket]:
        """Connects two sockets; returns a descriptor under check and its blocking peer."""
        near, far = tcp_pair() if tcp else socket.socketpair()
        if not tcp:
            for sock in (near, far):
                wires.set_buffers(sock, _BUFFER)
        return self.adopt(near), self.keep(far)

    def released(self, fd: int) -> None:
        """Notes that a descriptor has been closed by the sockets being checked."""
        self._owned.discard(fd)

    def close(self) -> None:
        """Closes what is still open."""
        try:
            for fd in self._owned:
                self.sockets.close([fd])
        finally:
            for peer in self._peers:
                peer.close()

    def until_dead(self, fd: int) -> None:
        """Sends to a peer that has gone until that fails; over TCP the first send still succeeds."""
        deadline = time.monotonic() + wires.PATIENCE
        while not self.send([(fd, b"?")]) and time.monotonic() < deadline:
            wait_ready(fd, patience=_SOON)  # for the answer, a reset

    def arrival(self, fd: int) -> None:
        """Requires that the kernel has something for a descriptor, so that receiving shows it."""
        require(wait_ready(fd), "the machine does not pass on what a peer has sent.")
        self.surroundings.settle()

    def receive(self, fds: list[int]) -> list[tuple[int, bytes]]:
        """Receives once from each socket, asking for the rest where the arena is full.

        Returns:
            Per socket the result and the bytes in the arena; no bytes for a result that is an error.
        """
        received: list[tuple[int, bytes]] = []
        while len(received) < len(fds):
            rest = fds[len(received) :]
            single = self._singly and len(rest) == 1
            results = [self._receive_one(rest[0])] if single else self.sockets.receive(rest)
            require(
                0 < len(results) <= len(rest),
                f"receive() of {len(rest)} sockets gives {len(results)} results.",
            )
            at = 0
            for n in results:
                size = max(n, 0)
                data = self.sockets.arena[at : at + size]
                require(
                    type(data) is bytes, f"a slice of the arena is {type(data).__name__} instead of bytes."
                )
                require(
                    len(data) == size,
                    f"receive() reports {sum(results)} bytes, which the arena does not have.",
                )
                received.append((n, data))
                at += size
        return received

    def send(self, batch: Sequence[tuple[int, Chunk]]) -> dict[int, int]:
        """Sends a batch; returns the exceptions by index after checking their form."""
        exceptions: Sequence[tuple[int, int]]
        if self._singly and len(batch) == 1:
            left = self._send_one(*batch[0])
            exceptions = [(0, left)] if left else []
        else:
            exceptions = self.sockets.send([fd for fd, _ in batch], [chunk for _, chunk in batch])
        for i, n in exceptions:
            require(0 <= i < len(batch), f"send() of {len(batch)} chunks reports chunk {i}.")
            size = len(batch[i][1])
            require(n, f"send() reports chunk {i} although nothing of it is left.")
            require(n <= size, f"send() reports {n} bytes left of a chunk of {size}.")
        indices = [i for i, _ in exceptions]
        require(indices == sorted(set(indices)), "send() does not report its exceptions in ascending order.")
        return dict(exceptions)


def receive_exactly(peer: socket.socket, size: int, sentence: str) -> bytes:
    """Reads so many bytes from a peer, or fails with the sentence."""
    data = bytearray()
    try:
        while len(data) < size and (piece := peer.recv(size - len(data))):
            data += piece
    except (TimeoutError, ConnectionError):
        pass
    require(len(data) == size, f"{sentence.rstrip('.')}: {len(data)} of {size} bytes arrive.")
    return bytes(data)


def receive_all(peer: socket.socket, sentence: str) -> bytes:
    """Reads from a peer up to the end of the stream, or fails with the sentence."""
    data = bytearray()
    try:
        while piece := peer.recv(1 << 20):
            data += piece
    except (TimeoutError, ConnectionError) as error:
        raise AssertionError(
            f"{sentence.rstrip('.')}: the peer sees {error!r} after {len(data)} bytes."
        ) from error
    return bytes(data)


def is_open(fd: int) -> bool:
    """Tells whether a descriptor is an open socket."""
    try:  # with a family, or BSD would deny one whose connection has failed: getsockname(2) gives EINVAL
        sock = socket_over(fd, socket.AF_INET, socket.SOCK_STREAM, 0)
    except OSError:
        return False
    try:
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)  # PyPy asks the system only now
    except OSError:
        return False
    finally:
        sock.detach()
    return True
