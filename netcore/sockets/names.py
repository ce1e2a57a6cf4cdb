"""Names of sockets, packed small until somebody asks.

Ten thousand idle connections should not carry ten thousand address objects. A peer's name is kept as
the few bytes that ``accept`` packed (``src/netcore.h`` has the layout) and unpacked on demand.
"""

from __future__ import annotations

import ipaddress
import os
import socket

from netcore._platform import AF_UNIX
from netcore.address import ZONE, Address
from netcore.errors import InvalidAddressError, UnsupportedOperationError
from netcore.sockets.literals import ip_of, scope_of
from netcore.sockets.resolving import naming

__all__ = [
    "CONNECTED",
    "address_of",
    "mapped_name",
    "pack_name",
    "pack_receiver",
    "packed_host",
    "system_name",
    "unpack_name",
]

_UNIX, _IPV4, _IPV6 = 1, 4, 6

_FAMILY = 0x3F
"""The bits of a packed name's first byte that tell the family; see ``netcore.sockets.destinations``."""

_MAPPED = bytes(10) + b"\xff\xff"

CONNECTED = b"\0"
"""The packed name that is none: in sending a datagram, the peer that the socket is connected to."""


def unpack_name(packed: bytes, network: str = "tcp") -> Address:
    """Makes the address from a packed name. IPv4 peers of a dual-stack socket come out as IPv4.

    Args:
        packed: The name.
        network: "tcp" or "udp", for the internet families.
    """
    family = packed[0] & _FAMILY if packed else 0
    if family == _UNIX:
        path = packed[1:]
        if path[:1] == b"\0":
            return Address("unix", path=f"@{os.fsdecode(path[1:])}")
        text = os.fsdecode(path)
        return Address("unix", path=f"./{text}" if text.startswith("@") else text)  # a file, no abstract name
    port = int.from_bytes(packed[1:3], "big")
    if family == _IPV4:
        return Address(network, str(ipaddress.IPv4Address(packed[3:7])), port)
    if family == _IPV6:
        scope = int.from_bytes(packed[3:7], "big")
        return _from_ipv6(network, packed[7:23], port, scope)
    return Address("unix" if network == "tcp" else network)


def mapped_name(packed: bytes) -> bytes:
    """Makes of an IPv4 name without a destination that which an IPv6 socket has for it; RFC 4291, 2.5.5."""
    return bytes([_IPV6]) + packed[1:3] + bytes(4) + _MAPPED + packed[3:7]


def packed_host(packed: bytes) -> bytes:
    """Returns what of an IPv4 or IPv6 name is the host's address, without port, zone and destination."""
    return packed[3:7] if packed[0] & _FAMILY == _IPV4 else packed[7:23]


def _from_ipv6(network: str, raw: bytes, port: int, scope: int) -> Address:
    host = ipaddress.IPv6Address(raw)
    if host.ipv4_mapped is not None:
        return Address(network, str(host.ipv4_mapped), port)
    return Address(network, str(host), port, zone=_zone(scope) if scope else "")


def _zone(scope: int) -> str:
    try:
        name = socket.if_indextoname(scope)
    except OSError:
        return str(scope)
    # Linux lets an interface be called "1" or "a]b", too.
    return name if ZONE.fullmatch(name) and not name.isdecimal() else str(scope)


def pack_name(family: int, name: object) -> bytes:
    """Packs what the standard library's ``accept`` or ``getsockname`` gives, as the C part does.

    Args:
        family: The socket's family, which gives the name its meaning.
        name: A tuple for the internet families; text or bytes for a Unix socket.
    """
    if family == socket.AF_INET and isinstance(name, tuple):
        return bytes([_IPV4]) + _pack_port(name[1]) + socket.inet_aton(name[0])
    if family == socket.AF_INET6 and isinstance(name, tuple):
        host, port, _, scope = name
        raw = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
        return bytes([_IPV6]) + _pack_port(port) + int(scope).to_bytes(4, "big") + raw
    if family == AF_UNIX and isinstance(name, (str, bytes)):
        return bytes([_UNIX]) + os.fsencode(name)
    return bytes([0])


def _pack_port(port: int) -> bytes:
    return port.to_bytes(2, "big")


def address_of(sock: socket.socket) -> Address:
    """Returns a socket's own address; see getsockname(2)."""
    network = "udp" if sock.type == socket.SOCK_DGRAM else "tcp"
    return unpack_name(pack_name(sock.family, sock.getsockname()), network)


def system_name(packed: bytes) -> tuple[str, int] | tuple[str, int, int, int] | None:
    """Makes of a packed name what the standard library's ``sendto`` takes; None for a family that is none."""
    port = int.from_bytes(packed[1:3], "big")
    family = packed[0] & _FAMILY
    if family == _IPV4:
        return socket.inet_ntoa(packed[3:7]), port
    if family == _IPV6:
        host = socket.inet_ntop(socket.AF_INET6, packed[7:23])
        return host, port, 0, int.from_bytes(packed[3:7], "big")
    return None


def pack_receiver(address: Address, family: int) -> bytes:
    """Packs an address for sending to it through a socket of a family; IPv4 is mapped for an IPv6 socket.

    Raises:
        InvalidAddressError: It is no UDP address, or its host is a name, which would have to be looked up.
        UnsupportedOperationError: An IPv4 socket cannot reach it.
        OSError: There is no interface of its zone's name.
    """
    host = ip_of(address.host)
    if host is None:
        raise InvalidAddressError(f"{str(address)!r} has no IP address, which sending a datagram needs")
    if not address.is_datagram:
        raise InvalidAddressError(f"{str(address)!r} is no UDP address, which sending a datagram needs")
    port = _pack_port(address.port)
    if family == socket.AF_INET:
        if host.version != 4:
            raise UnsupportedOperationError(f"{str(address)!r} needs an IPv6 socket, and this one is IPv4")
        return bytes([_IPV4]) + port + host.packed
    if host.version == 4:
        return bytes([_IPV6]) + port + bytes(4) + _MAPPED + host.packed
    try:
        scope = scope_of(address.zone)
    except OSError as error:
        raise naming(error, address) from None
    return bytes([_IPV6]) + port + scope.to_bytes(4, "big") + host.packed
