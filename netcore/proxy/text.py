"""Version 1: one line of ASCII, section 2.1 of proxy-protocol.txt."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from netcore.address import Address
from netcore.proxy.endpoints import addresses_of, ends_of, family_of, ips_of
from netcore.proxy.header import ProxyError, ProxyHeader

__all__ = ["LONGEST", "could_be_line", "encode_line", "read_line", "size_of_line"]

LONGEST = 107
"""Bytes of a line, its end included; the specification counts them."""

_BEGINNINGS = (b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN")
_UNKNOWN = b"PROXY UNKNOWN\r\n"
_PORT = rb"(0|[1-9][0-9]{0,4})"
_HOST = rb"([0-9A-Fa-f:.]+)"
_LINE = re.compile(rb"PROXY TCP([46]) %b %b %b %b\r\n" % (_HOST, _HOST, _PORT, _PORT))


def could_be_line(start: bytes) -> bool:
    """Whether bytes begin like a header of this version, as far as they go."""
    return any(start[: len(each)] == each[: len(start)] for each in _BEGINNINGS)


def size_of_line(start: bytes) -> int:
    """Returns how many bytes the line has, its end included; 0 if the end is yet to come.

    Raises:
        ProxyError: It would be too long.
    """
    end = start.find(b"\r\n", 0, LONGEST)
    if end < 0 and len(start) >= LONGEST:
        raise ProxyError(f"the PROXY header has no end within {LONGEST} bytes: {start[:LONGEST]!r}")
    return end + 2 if end >= 0 else 0


def read_line(line: bytes) -> ProxyHeader:
    """Makes a header of a line, its end included.

    Raises:
        ProxyError: It is none, to the letter.
    """
    if line.startswith(_UNKNOWN[:-2]):  # whatever follows is to be ignored
        return ProxyHeader(None, None, version=1)
    match = _LINE.fullmatch(line)
    if match is None:
        raise ProxyError(f"the PROXY header is not of the form of version 1: {line!r}")
    version, *hosts, source_port, destination_port = (group.decode("ascii") for group in match.groups())
    ports = int(source_port), int(destination_port)
    if max(ports) > 65535:
        raise ProxyError(f"the PROXY header has a port beyond 65535: {line!r}")
    read = _read_ipv4_ends if version == "4" else _read_ipv6_ends
    try:
        return ProxyHeader(*read(hosts, ports), version=1)
    except ValueError:
        raise ProxyError(f"the PROXY header has an address that is not IPv{version}: {line!r}") from None


def _read_ipv4_ends(hosts: Sequence[str], ports: tuple[int, int]) -> tuple[Address, Address]:
    for host in hosts:
        ipaddress.IPv4Address(host)  # which takes the one spelling that there is
    return Address("tcp", hosts[0], ports[0]), Address("tcp", hosts[1], ports[1])


def _read_ipv6_ends(hosts: Sequence[str], ports: tuple[int, int]) -> tuple[Address, Address]:
    return addresses_of((ipaddress.IPv6Address(hosts[0]), ipaddress.IPv6Address(hosts[1])), ports)


def encode_line(header: ProxyHeader) -> bytes:
    """Says a header in this version.

    Raises:
        ProxyError: It cannot be said.
    """
    if header.local or header.tlvs:
        raise ProxyError(f"version 1 of the PROXY protocol has neither LOCAL nor TLVs: {header}")
    ends = ends_of(header)
    if ends is None:
        return _UNKNOWN
    if family_of(ends) != "tcp":
        raise ProxyError(f"version 1 of the PROXY protocol has no Unix sockets: {header}")
    source, destination = ips_of(ends)
    words = f"PROXY TCP{source.version} {source} {destination} {ends[0].port} {ends[1].port}\r\n"
    return words.encode("ascii")
