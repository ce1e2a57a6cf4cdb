"""Connected sockets for the conformance checks: something with a far end that can be made to act."""

from __future__ import annotations

import errno
import selectors
import socket
from typing import Protocol

from netcore._platform import pack_linger

__all__ = [
    "SocketPair",
    "Wire",
    "has_ipv6",
    "lowest_free",
    "refusing_name",
    "reset",
    "set_buffers",
    "tcp_pair",
    "wait_ready",
]

PATIENCE = 5.0
"""Seconds after which what should have happened is taken for lost. Only failing checks take so long."""


class Wire(Protocol):
    """A descriptor to watch, and the means to change what it is ready for."""

    fd: int

    def make_readable(self) -> None:
        """Lets new bytes arrive."""

    def drain(self) -> None:
        """Receives until nothing is left."""

    def fill(self) -> None:
        """Sends until the descriptor is not writable."""

    def hang_up(self) -> None:
        """Ends the connection from the far end."""

    def close(self) -> None:
        """Closes both ends. Idempotent."""


class SocketPair:
    """A ``Wire`` of two connected, non-blocking sockets."""

    def __init__(self, near: socket.socket | None = None, far: socket.socket | None = None) -> None:
        """Takes the two ends, or makes a pair of its own."""
        if near is None or far is None:
            near, far = socket.socketpair()
        self.near, self.far = near, far
        self.near.setblocking(False)
        self.far.setblocking(False)
        self.fd = self.near.fileno()

    def make_readable(self) -> None:
        """See ``Wire.make_readable``."""
        self.far.send(b"!")

    def drain(self) -> None:
        """See ``Wire.drain``."""
        try:
            while self.near.recv(65536):
                pass
        except BlockingIOError:
            pass

    def fill(self) -> None:
        """See ``Wire.fill``; the last bytes go one by one, so that no room is left at all."""
        for size in (65536, 1):
            try:
                while self.near.send(bytes(size)):
                    pass
            except BlockingIOError:
                pass

    def hang_up(self) -> None:
        """See ``Wire.hang_up``."""
        self.far.close()

    def close(self) -> None:
        """See ``Wire.close``."""
        self.near.close()
        self.far.close()


def has_ipv6() -> bool:
    """Tells whether this machine can listen on the IPv6 loopback address."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Connects two blocking TCP sockets over the loopback interface; returns the accepted one first."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    return server, client


def refusing_name() -> tuple[str, int]:
    """Returns a name on the loopback interface where connections are refused.

    It was a listener's: NetBSD drops a SYN to a port that is bound and has never listened.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        name: tuple[str, int] = listener.getsockname()
    return name


def lowest_free() -> int:
    """Returns the number that the kernel will give to the next descriptor."""
    with socket.socket() as probe:
        return probe.fileno()


def set_buffers(sock: socket.socket, size: int, *options: int) -> None:
    """Asks for buffers of so many bytes, or what the system grants: the BSDs refuse 256 KiB (ENOBUFS).

    Args:
        sock: Whose buffers.
        size: Bytes; halved until it is granted.
        options: SO_SNDBUF or SO_RCVBUF; both if none is given.
    """
    for option in options or (socket.SO_SNDBUF, socket.SO_RCVBUF):
        granted = size
        while granted:
            try:
                sock.setsockopt(socket.SOL_SOCKET, option, granted)
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                granted //= 2


def reset(sock: socket.socket) -> None:
    """Closes a TCP socket with RST instead of FIN; see SO_LINGER in socket(7)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(0))
    sock.close()


def wait_ready(fd: int, event: int = selectors.EVENT_READ, patience: float | None = None) -> bool:
    """Waits until the kernel has readied a descriptor; returns whether it did within ``PATIENCE`` or less.

    What one end of a loopback connection sends is at the other end at once on Linux, but not everywhere.
    """
    with selectors.DefaultSelector() as selector:
        selector.register(fd, event)
        return bool(selector.select(PATIENCE if patience is None else patience))
