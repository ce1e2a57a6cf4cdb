"""Binding datagram sockets, and joining multicast groups."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, replace

from netcore._machine import current
from netcore.address import Address
from netcore.engine.binding import closed_on_error, endpoint_of, socket_options
from netcore.options import Options
from netcore.sockets import (
    Endpoint,
    address_of,
    ip_of,
    scope_of,
    survive_unreachable,
    tell_destinations,
)

__all__ = ["BoundDatagrams", "allow_sending", "bind_datagrams", "group_of", "probe_free"]

_EVERY_INTERFACE = ("0.0.0.0", "::")

_Group = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class BoundDatagrams:
    """A bound datagram socket, owned until ``detach``.

    Attributes:
        sock: The socket, non-blocking.
        address: Where, with the real port.
        local: The local address of every datagram, as far as the bind has fixed it.
    """

    sock: socket.socket
    address: Address
    local: Address

    def share(self) -> None:
        """See ``Bound.share``; of such a socket there is nothing that would have to stay."""

    def close(self) -> None:
        """Closes the socket."""
        self.sock.close()


def group_of(address: Address) -> _Group | None:
    """Returns the multicast group that an address names, if it names one."""
    host = ip_of(address.host)
    return host if host is not None and host.is_multicast else None


def bind_datagrams(address: Address, options: Options, share_port: bool) -> BoundDatagrams:
    """Binds a datagram socket; the address of a multicast group is joined.

    SO_REUSEADDR is set for groups only: a datagram socket has no TIME_WAIT to be excused from, and the
    option would let another socket take over a port that is in use.

    Args:
        address: Where. Port 0 lets the system choose; a host name stands for its first address.
        options: The options that concern datagram sockets.
        share_port: Whether several sockets share the port, among which the kernel spreads the senders.

    Raises:
        OSError: The system refuses, such as EADDRINUSE or EADDRNOTAVAIL.
        UnsupportedOperationError: This platform lacks something that was asked for.
    """
    facts = current().facts
    group = group_of(address)
    endpoint = endpoint_of(address)
    sock = socket.socket(endpoint.family, socket.SOCK_DGRAM)
    with closed_on_error(sock, address):
        if group is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif share_port and facts.reuse_port is not None:
            sock.setsockopt(socket.SOL_SOCKET, facts.reuse_port, 1)
        elif facts.exclusive_port is not None:
            sock.setsockopt(socket.SOL_SOCKET, facts.exclusive_port, 1)
        allow_sending(sock)
        socket_options(options).apply(sock)
        if group is not None or endpoint.name[0] in _EVERY_INTERFACE:
            tell_destinations(sock)
        if group is None:
            _bind(sock, address, endpoint)
        else:
            index = options.multicast_interface or scope_of(address.zone)
            _bind(sock, address, Endpoint(endpoint.family, _group_name(group, address.port, index)))
            _join(sock, group, index)
        sock.setblocking(False)
        local = address_of(sock)
    return BoundDatagrams(sock, replace(address, port=local.port), local)


def allow_sending(sock: socket.socket) -> None:
    """Lets a socket send to everybody: to broadcast addresses, and on after a receiver was not there."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    survive_unreachable(sock)


def probe_free(address: Address) -> None:
    """Raises OSError if a port is in use, even by sockets that would share it."""
    endpoint = endpoint_of(address)
    with socket.socket(endpoint.family, socket.SOCK_DGRAM) as probe, closed_on_error(probe, address):
        _bind(probe, address, endpoint)


def _bind(sock: socket.socket, address: Address, endpoint: Endpoint) -> None:
    if endpoint.family == socket.AF_INET6:
        dual = address.network in ("udp", "kcp") and not address.host
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not dual))
    sock.bind(endpoint.name)


def _group_name(group: _Group, port: int, index: int) -> tuple[object, ...]:
    """Returns what to bind for a group; a link-local one of IPv6 needs the interface's number."""
    binds_to_groups = current().facts.binds_to_groups
    if group.version == 4:
        return str(group) if binds_to_groups else "", port
    return str(group) if binds_to_groups else "::", port, 0, index


def _join(sock: socket.socket, group: _Group, index: int) -> None:
    """Joins a group on an interface, 0 for the system's choice; what is sent to groups goes out there too."""
    facts = current().facts
    if group.version == 4:
        if index:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, facts.pack_interface(index))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, facts.pack_group(group.packed, index))
        return
    if index:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, facts.pack_group(group.packed, index))
