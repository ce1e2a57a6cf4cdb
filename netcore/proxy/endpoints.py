"""The two ends that a header names: addresses as netcore has them, and as numbers of one family."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence

from netcore.address import Address
from netcore.proxy.header import ProxyError, ProxyHeader

__all__ = ["IP", "UNIX_NAME", "addresses_of", "ends_of", "family_of", "ips_of", "read_unix", "unix_name"]

IP = ipaddress.IPv4Address | ipaddress.IPv6Address

UNIX_NAME = 108
"""Bytes of a Unix socket's name in a header, as in ``sockaddr_un`` of Linux."""


def ends_of(header: ProxyHeader) -> tuple[Address, Address] | None:
    """Returns source and destination; None for a header without.

    Raises:
        ProxyError: It has only one of them.
    """
    source, destination = header.source, header.destination
    if source is None and destination is None:
        return None
    if source is None or destination is None:
        raise ProxyError(f"a PROXY header has a source and a destination, or neither: {header}")
    return source, destination


def family_of(ends: tuple[Address, Address]) -> str:
    """Returns "tcp" or "unix".

    Raises:
        ProxyError: They differ, or are no ends of a stream.
    """
    families = {"tcp" if end.network in ("tcp", "tcp4", "tcp6") else end.network for end in ends}
    family = families.pop()
    if families or family not in ("tcp", "unix"):
        raise ProxyError(
            f"a PROXY header cannot name {ends[0]} and {ends[1]}: both must be TCP, or both Unix"
        )
    return family


def ips_of(ends: tuple[Address, Address]) -> tuple[IP, IP]:
    """Returns the numbers of two TCP addresses, whose ports are right, both of one version of IP.

    Raises:
        ProxyError: They cannot be said: a name, a zone, a port beyond 65535, an IPv4 with an IPv6 address.
    """
    source, destination = _as_simple_as_can_be([_ip_of(end) for end in ends])
    if source.version != destination.version:
        raise ProxyError(f"a PROXY header cannot name {ends[0]} and {ends[1]}: the versions of IP differ")
    return source, destination


def _ip_of(end: Address) -> IP:
    if type(end.port) is not int or not 0 <= end.port <= 65535:
        raise ProxyError(f"a PROXY header cannot name {end!r}: ports go from 0 to 65535")
    if end.zone:
        raise ProxyError(f"a PROXY header cannot name {end}: it has no room for a zone")
    try:
        ip = ipaddress.ip_address(str(end.host))
    except ValueError:
        raise ProxyError(f"a PROXY header cannot name {end}: it needs an IP address") from None
    if end.network not in ("tcp", f"tcp{ip.version}"):
        raise ProxyError(f"a PROXY header cannot name {end}: that is IPv{ip.version}")
    return ip


def addresses_of(
    ips: tuple[ipaddress.IPv6Address, ipaddress.IPv6Address], ports: tuple[int, int]
) -> tuple[Address, Address]:
    """Makes addresses of what a header says; of two IPv4-mapped ones IPv4, as of the peers of a listener."""
    source, destination = _as_simple_as_can_be(ips)
    return Address("tcp", str(source), ports[0]), Address("tcp", str(destination), ports[1])


def _as_simple_as_can_be(ips: Sequence[IP]) -> Sequence[IP]:
    """Returns IPv4 addresses if all are, be it as IPv4-mapped ones (RFC 4291); else what it is given.

    A proxy whose socket takes both versions of IP sees its clients, and itself, like that.
    """
    mapped = [ip if isinstance(ip, ipaddress.IPv4Address) else ip.ipv4_mapped for ip in ips]
    return [ip for ip in mapped if ip is not None] if None not in mapped else ips


def unix_name(end: Address) -> bytes:
    """Returns the name of a Unix socket as a header has it.

    Raises:
        ProxyError: It has no room there, or would be read as another one.
    """
    try:
        name = os.fsencode(end.path)
    except UnicodeError:
        raise ProxyError(f"a PROXY header cannot name {end!r}: the path cannot be encoded") from None
    if name.startswith(b"@"):
        name = b"\0" + name[1:]
    if len(name) > UNIX_NAME or name.endswith(b"\0") or (b"\0" in name[1:] and name[0]):
        raise ProxyError(
            f"a PROXY header cannot name {end!r}: it has {UNIX_NAME} bytes for a name, and NULs behind it"
        )
    return name.ljust(UNIX_NAME, b"\0")


def read_unix(name: bytes) -> Address:
    """Makes an address of the name of a Unix socket in a header.

    Raises:
        ProxyError: The file system's encoding has no such text.
    """
    try:
        if name.startswith(b"\0"):
            abstract = os.fsdecode(name[1:].rstrip(b"\0"))
            return Address("unix", path=f"@{abstract}" if abstract else "")
        text = os.fsdecode(name.partition(b"\0")[0])
    except UnicodeError:
        raise ProxyError(f"the PROXY header names {name!r}, which is no path here") from None
    return Address("unix", path=f"./{text}" if text.startswith("@") else text)  # a file, no abstract name
