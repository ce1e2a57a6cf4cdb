"""Sockets beside a bound datagram socket, on its port, each of which is connected to one peer.

A datagram goes to the socket that is connected to its sender rather than to one that is only bound: BSD looks
for the four numbers first (in_pcblookup), and Linux, which gives points to each that fits (compute_score in
net/ipv4/udp.c), has not let the hash of a SO_REUSEPORT group come before that since 5.4. Between bind(2) and
connect(2) such a socket gets what is for others, which stays in its queue: who reads it looks at the sender.

Linux finds a connected socket at once from 6.13 on. Before that, and still for datagrams that are not for
one, it goes through all sockets of the port, as bind(2) does: some ten nanoseconds each.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

from netcore._platform import CONNECTED_FIRST, REUSE_PORT_OPTION, SO_BINDTODEVICE
from netcore.sockets.destinations import destination_name
from netcore.sockets.literals import ip_of
from netcore.sockets.names import system_name
from netcore.sockets.options import SocketOptions

__all__ = ["OptionsBeside", "local_end", "options_beside", "sharing"]

_SO_REUSEPORT: int | None = getattr(socket, "SO_REUSEPORT", None)
_IPV6_V6ONLY: int = getattr(socket, "IPV6_V6ONLY", 0)
_LONGEST_DEVICE = 16
"""Bytes of an interface's name, with the zero behind it; IFNAMSIZ of Linux."""


@dataclass(frozen=True, slots=True)
class OptionsBeside(SocketOptions):
    """Those of a socket on the port of another one, which it is bound to as well.

    Attributes:
        local: Where to bind, as bind(2) takes it; nowhere if that is None.
        share: The option by which sockets share a port.
        v6_only: Of an IPv6 socket, IPV6_V6ONLY.
    """

    local: tuple[object, ...] | None = None
    share: int = 0
    v6_only: int = 0

    def apply(self, sock: socket.socket) -> None:
        """See ``SocketOptions.apply``; binds the socket, too."""
        SocketOptions.apply(self, sock)  # ``super()`` finds no class that has slots made anew
        sock.setsockopt(socket.SOL_SOCKET, self.share, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_V6ONLY, self.v6_only)
        if self.local is not None:
            sock.bind(self.local)


def options_beside(sock: socket.socket, base: SocketOptions) -> OptionsBeside | None:
    """Returns what makes sockets beside a bound one, in its place.

    Args:
        sock: The bound socket.
        base: What is set on them besides.

    Returns:
        None where datagrams would not find them: the kernel does not look who is connected, or each goes to
        all members of a multicast group.

    Raises:
        OSError: The kernel does not know the socket.
    """
    share = _sharing_option(sock)
    local = sock.getsockname()
    host = ip_of(local[0].partition("%")[0])
    if not CONNECTED_FIRST or share is None or host is None or host.is_multicast:
        return None
    named = {field.name: getattr(base, field.name) for field in fields(SocketOptions)}
    if SO_BINDTODEVICE is not None:
        device = sock.getsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, _LONGEST_DEVICE)
        named["device"] = device.rstrip(b"\0").decode(errors="surrogateescape")
    v6_only = 0
    if sock.family == socket.AF_INET6:
        v6_only = sock.getsockopt(socket.IPPROTO_IPV6, _IPV6_V6ONLY)
    return OptionsBeside(**named, local=local, share=share, v6_only=v6_only)


def local_end(options: OptionsBeside, name: bytes) -> tuple[object, ...] | None:
    """Returns where to bind for a peer: where its datagrams came to if that is known, else as the other one.

    Args:
        options: Those of the sockets beside the one that they came to.
        name: The peer's packed name, with what is behind it.
    """
    assert options.local is not None
    port = options.local[1]
    assert isinstance(port, int)
    destination = destination_name(name, port)
    return options.local if destination is None else system_name(destination)


@contextmanager
def sharing(sock: socket.socket, options: OptionsBeside) -> Iterator[None]:
    """Lets others be bound beside a socket, for the time being if it did not before; SO_REUSEPORT.

    Raises:
        OSError: The kernel does not know the socket.
    """
    had = sock.getsockopt(socket.SOL_SOCKET, options.share)
    if not had:
        sock.setsockopt(socket.SOL_SOCKET, options.share, 1)
    try:
        yield
    finally:
        if not had:
            sock.setsockopt(socket.SOL_SOCKET, options.share, 0)


def _sharing_option(sock: socket.socket) -> int | None:
    """The option that a socket has been bound with, or else the plain one."""
    if REUSE_PORT_OPTION is not None and sock.getsockopt(socket.SOL_SOCKET, REUSE_PORT_OPTION):
        return REUSE_PORT_OPTION
    return _SO_REUSEPORT
