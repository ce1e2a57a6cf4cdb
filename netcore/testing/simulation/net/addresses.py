"""IP addresses in a simulated world, as text in one form each, and the names of sockets made of them.

An IPv4-mapped address is the IPv4 address here; only the names of AF_INET6 sockets have the mapping.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from functools import lru_cache
from typing import Any

from netcore.testing.simulation.net.failures import failure

__all__ = [
    "ANY",
    "BROADCAST",
    "LOOPBACK",
    "IPName",
    "canonical",
    "ip_name",
    "is_loopback",
    "is_multicast",
    "system_name",
    "version_of",
]

ANY = ("0.0.0.0", "::")
LOOPBACK = ("127.0.0.1", "::1")
BROADCAST = ("255.255.255.255", "10.0.255.255")
"""Everybody, and everybody of the net that all simulated hosts are in, which is 10.0.0.0/16."""

IPName = tuple[str, int]
"""An address in canonical form, and a port."""


@lru_cache(maxsize=65536)
def canonical(host: str) -> str | None:
    """Returns an address in the form that it has everywhere here; None if the text is no address.

    A zone (RFC 4007) is dropped: all simulated hosts are in one.
    """
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(ip if mapped is None else mapped)


def version_of(ip: str) -> int:
    """Returns 4 or 6 for an address in canonical form."""
    return 6 if ":" in ip else 4


@lru_cache(maxsize=65536)
def is_loopback(ip: str) -> bool:
    """Whether it is the host's own whoever asks: 127.0.0.0/8, ::1."""
    return ipaddress.ip_address(ip).is_loopback


@lru_cache(maxsize=65536)
def is_multicast(ip: str) -> bool:
    """Whether it is a group's."""
    return ipaddress.ip_address(ip).is_multicast


def ip_name(family: int, name: object) -> IPName:
    """Takes a name apart as bind(2), connect(2) and sendto(2) of the standard library do.

    Args:
        family: AF_INET or AF_INET6.
        name: The host must be a literal, empty, or "<broadcast>".

    Raises:
        TypeError: It is no such tuple.
        OverflowError: The port is none.
        OSError: The address is none (EAI_NONAME), or an IPv6 socket's for an IPv4 one (EAI_ADDRFAMILY), as
            getaddrinfo(3) says it; EAFNOSUPPORT for None.
    """
    if name is None:
        raise failure(errno.EAFNOSUPPORT)
    longest = 2 if family == socket.AF_INET else 4
    if not isinstance(name, tuple) or not 2 <= len(name) <= longest:
        shape = "a pair (host, port)" if longest == 2 else "a tuple (host, port[, flow[, scope]])"
        raise TypeError(f"a name of this family is {shape}, not {name!r}")
    host, port = name[:2]
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode()
    if not isinstance(host, str) or not isinstance(port, int):
        raise TypeError(f"a host is text and a port an int, unlike {name!r}")
    if not 0 <= port <= 0xFFFF:
        raise OverflowError(f"a port is 0-65535, not {port}")
    if not host:
        return ANY[longest == 4], port
    if host == "<broadcast>" and longest == 2:
        return BROADCAST[0], port
    ip = canonical(host)
    if ip is None:
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is no address")
    if longest == 2 and (version_of(ip) == 6 or ":" in host):
        code = getattr(socket, "EAI_ADDRFAMILY", socket.EAI_NONAME)
        raise socket.gaierror(code, f"{host!r} is no IPv4 address")
    return ip, port


def system_name(family: int, name: IPName) -> Any:
    """Makes what ``getsockname`` and ``recvfrom`` give for a socket of a family."""
    ip, port = name
    if family == socket.AF_INET:
        return ip, port
    return (f"::ffff:{ip}" if version_of(ip) == 4 else ip), port, 0, 0
