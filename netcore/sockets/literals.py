"""Hosts that are IP addresses, and the zones of IPv6 addresses: what needs no name service."""

from __future__ import annotations

import errno
import ipaddress
import socket

__all__ = ["ip_of", "scope_of"]

_MAX_SCOPE = (1 << 32) - 1
"""``sin6_scope_id`` has 32 bits."""


def ip_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Returns the IP address that a host is, or None for a name.

    An IPv4-mapped one (RFC 4291, section 2.5.5.2) is the IPv4 address: it is what goes over the wire, and a
    socket of IPv6 alone would not take it.
    """
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip


def scope_of(zone: str) -> int:
    """Returns the number of a zone (RFC 4007), 0 for none; see if_nametoindex(3).

    Raises:
        OSError: There is no such interface (ENODEV).
    """
    if not zone:
        return 0
    try:
        number = int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)
    except OSError:
        number = -1
    if not 0 <= number <= _MAX_SCOPE:
        raise OSError(errno.ENODEV, f"there is no interface {zone!r}")
    return number
