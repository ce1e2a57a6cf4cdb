"""Names of sockets, packed small until somebody asks.

Ten thousand idle connections should not carry ten thousand address objects. A peer's name is kept as
the few bytes that ``accept`` packed (``src/netcore.h`` has the layout) and unpacked on demand.
"""

from __future__ import annotations

import ipaddress
import os
import socket

from netcore._platform import AF_UNIX
from netcore.address import Address

__all__ = ["address_of", "pack_name", "unpack_name"]

_UNIX, _IPV4, _IPV6 = 1, 4, 6


def unpack_name(packed: bytes) -> Address:
    """Makes the address from a packed name. IPv4 peers of a dual-stack socket come out as IPv4."""
    family = packed[0] if packed else 0
    if family == _UNIX:
        path = packed[1:]
        text = os.fsdecode(path[1:] if path[:1] == b"\0" else path)
        return Address("unix", path=f"@{text}" if path[:1] == b"\0" else text)
    port = int.from_bytes(packed[1:3], "big")
    if family == _IPV4:
        return Address("tcp", str(ipaddress.IPv4Address(packed[3:7])), port)
    if family == _IPV6:
        scope = int.from_bytes(packed[3:7], "big")
        return _from_ipv6(packed[7:23], port, scope)
    return Address("unix")


def _from_ipv6(raw: bytes, port: int, scope: int) -> Address:
    host = ipaddress.IPv6Address(raw)
    if host.ipv4_mapped is not None:
        return Address("tcp", str(host.ipv4_mapped), port)
    return Address("tcp", str(host), port, zone=_zone(scope) if scope else "")


def _zone(scope: int) -> str:
    try:
        return socket.if_indextoname(scope)
    except OSError:
        return str(scope)


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
    return unpack_name(pack_name(sock.family, sock.getsockname()))
