"""Sockets beside a bound datagram socket, on its port, each of which is connected to one peer.

A datagram goes to the socket that is connected to its sender rather than to one that is only bound: BSD looks
for the four numbers first (in_pcblookup), and Linux, which gives points to each that fits (compute_score in
net/ipv4/udp.c), has not let the hash of a SO_REUSEPORT group come before that since 5.4. Between bind(2) and
connect(2) such a socket gets what is for others, which stays in its queue: who reads it looks at the sender.

It must not be a member of a group over which the kernel spreads senders by a hash and the number of members:
each that came or went would send those of all others elsewhere. From 6.13 on Linux takes a connected socket
out of its group (udp_lib_hash4). Before that it must be in another one, of which there is one for each family
and address (udp_reuseport_add_sock): IPv6 has names for IPv4's addresses, too, and so there are two.

Linux finds a connected socket at once from 6.13 on. Before that, and still for datagrams that are not for
one, it goes through all sockets of the port, as bind(2) does: some ten nanoseconds each.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

from netcore._facts import Facts
from netcore._machine import current
from netcore.errors import UnsupportedOperationError
from netcore.sockets.destinations import destination_name, without_destination
from netcore.sockets.literals import ip_of
from netcore.sockets.names import mapped_name, pack_name, system_name
from netcore.sockets.options import SocketOptions
from netcore.sockets.resolving import Endpoint

__all__ = ["Beside", "OptionsBeside", "Place", "sharing", "sockets_beside"]

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


class Place(NamedTuple):
    """What ``Sockets.connect`` takes for a socket beside another one, and what comes of it.

    Attributes:
        endpoint: The peer.
        options: Those of the socket.
        name: The peer's packed name, as that socket will have it.
    """

    endpoint: Endpoint
    options: OptionsBeside
    name: bytes


@dataclass(frozen=True, slots=True)
class Beside:
    """What sockets beside a bound one are like.

    Attributes:
        base: What is set on them besides.
        bound: The packed name of where that one is bound.
        share: The option by which they share the port.
        v6_only: Of IPv6 sockets, IPV6_V6ONLY.
        mapped: Whether they are of IPv6, and that one is not.
    """

    base: SocketOptions
    bound: bytes
    share: int
    v6_only: int = 0
    mapped: bool = False

    def place(self, name: bytes) -> Place:
        """Returns what to make for a peer: bound to where its datagrams came to, or as that one.

        Args:
            name: The peer's packed name, with what is behind it.
        """
        peer = without_destination(name)
        local = destination_name(name, int.from_bytes(self.bound[1:3], "big")) or self.bound
        if self.mapped:
            peer, local = mapped_name(peer), mapped_name(local)
        family = socket.AF_INET if peer[0] == 4 else socket.AF_INET6
        target, source = system_name(peer), system_name(local)
        assert target is not None
        named = {field.name: getattr(self.base, field.name) for field in fields(SocketOptions)}
        options = OptionsBeside(**named, local=source, share=self.share, v6_only=self.v6_only)
        return Place(Endpoint(family, target), options, peer)


def sockets_beside(sock: socket.socket, base: SocketOptions) -> Beside | None:
    """Returns what sockets beside a bound one are to be like.

    Args:
        sock: The bound socket.
        base: What is set on them besides, but for the network interface, which is that of the bound one.

    Returns:
        None where datagrams would not find them: the kernel does not look who is connected, or each datagram
        goes to all members of a multicast group.

    Raises:
        OSError: The kernel does not know the socket.
        UnsupportedOperationError: They would get what is for others, or have others get it.
    """
    facts = current().facts
    name = sock.getsockname()
    host = ip_of(name[0].partition("%")[0])
    if not facts.connected_first or facts.share_port is None or host is None or host.is_multicast:
        return None
    v6_only, is_v6 = 0, sock.family == socket.AF_INET6
    if is_v6:
        v6_only = sock.getsockopt(socket.IPPROTO_IPV6, _IPV6_V6ONLY)
    mapped = _joins_a_group(sock, facts, host.is_unspecified)
    if mapped and is_v6:
        raise UnsupportedOperationError("before 6.13 Linux spreads senders over connected sockets, too")
    bound = pack_name(sock.family, name)
    return Beside(_on_device_of(sock, facts, base), bound, facts.share_port, v6_only, mapped)


def _joins_a_group(sock: socket.socket, facts: Facts, everywhere: bool) -> bool:
    """Whether sockets beside one would be, or stay, among those over which the kernel spreads senders.

    Those that are beside one on every interface are not: they have an address, at the latest when connected.
    """
    if facts.reuse_port is None or not sock.getsockopt(socket.SOL_SOCKET, facts.reuse_port):
        return False
    if facts.reuse_port != facts.share_port:
        raise UnsupportedOperationError("groups of SO_REUSEPORT_LB give connected sockets what is for others")
    return not everywhere and not facts.connected_leave


def _on_device_of(sock: socket.socket, facts: Facts, base: SocketOptions) -> SocketOptions:
    if facts.bind_to_device is None:
        return base
    device = sock.getsockopt(socket.SOL_SOCKET, facts.bind_to_device, _LONGEST_DEVICE)
    return replace(base, device=os.fsdecode(device.rstrip(b"\0")))


@contextmanager
def sharing(sock: socket.socket, share: int) -> Iterator[None]:
    """Lets others be bound beside a socket, for the time being if it did not before.

    Args:
        sock: The bound socket.
        share: The option.

    Raises:
        OSError: The kernel does not know the socket.
    """
    had = sock.getsockopt(socket.SOL_SOCKET, share)
    if not had:
        sock.setsockopt(socket.SOL_SOCKET, share, 1)
    try:
        yield
    finally:
        if not had:
            sock.setsockopt(socket.SOL_SOCKET, share, 0)
