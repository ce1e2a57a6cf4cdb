"""Version 2: sixteen bytes, addresses, and what else there is to say; section 2.2 of proxy-protocol.txt.

A stream is not forwarded for datagrams: a header of such (DGRAM) is taken like one of an unspecified
protocol, as the specification wants of who does not support it. The connection is what it seems.
"""

from __future__ import annotations

import ipaddress
import socket

from netcore.address import Address
from netcore.proxy.endpoints import (
    UNIX_NAME,
    addresses_of,
    ends_of,
    family_of,
    ips_of,
    read_unix,
    unix_name,
)
from netcore.proxy.header import ProxyError, ProxyHeader
from netcore.proxy.tlvs import pack_tlvs, read_tlvs, sign

__all__ = ["SIGNATURE", "encode_block", "read_block", "size_of_block"]

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"

_HEAD = 16
"""Bytes that say how many follow."""

_MOST = 65535
"""Bytes that may follow: their number has 16 bits."""

_LOCAL, _PROXY = 0x20, 0x21
_UNSPEC, _INET, _INET6, _UNIX = range(4)
_STREAM, _DGRAM = 1, 2
_SIZES = {_UNSPEC: 0, _INET: 12, _INET6: 36, _UNIX: 2 * UNIX_NAME}
"""Bytes of both addresses and, of IP, both ports."""


def size_of_block(start: bytes) -> int:
    """Returns how many bytes a header has that begins like this; 0 if it is yet to be seen.

    Raises:
        ProxyError: No header begins like this.
    """
    if len(start) > 12 and start[12] not in (_LOCAL, _PROXY):
        raise ProxyError(f"the PROXY header has the version and command {start[12]:#04x}, not 0x20 or 0x21")
    if len(start) > 13 and start[12] == _PROXY:
        family, protocol = divmod(start[13], 16)
        if family not in _SIZES or protocol > _DGRAM:
            raise ProxyError(f"the PROXY header has the unknown family and protocol {start[13]:#04x}")
    if len(start) < _HEAD:
        return 0
    size = int.from_bytes(start[14:16], "big")
    if start[12] == _PROXY and size < _SIZES[start[13] >> 4]:
        raise ProxyError(
            f"the PROXY header has {size} bytes for addresses of the family and protocol {start[13]:#04x}"
        )
    return _HEAD + size


def read_block(block: bytes) -> ProxyHeader:
    """Makes a header of all its bytes, whose size is ``size_of_block``.

    Raises:
        ProxyError: It is wrong.
    """
    family, protocol = divmod(block[13], 16)
    behind = _HEAD + _SIZES.get(family, _MOST)
    tlvs = read_tlvs(block, behind)
    if block[12] == _LOCAL:  # of which the family is to be ignored, too: it may be anything
        return ProxyHeader(None, None, local=True, tlvs=tlvs)
    if protocol != _STREAM or family == _UNSPEC:
        return ProxyHeader(None, None, tlvs=tlvs)
    return ProxyHeader(*_read_ends(family, block[_HEAD:behind]), tlvs=tlvs)


def _read_ends(family: int, block: bytes) -> tuple[Address, Address]:
    if family == _UNIX:
        return read_unix(block[:UNIX_NAME]), read_unix(block[UNIX_NAME:])
    ports = int.from_bytes(block[-4:-2], "big"), int.from_bytes(block[-2:], "big")
    if family == _INET:
        source, destination = socket.inet_ntoa(block[:4]), socket.inet_ntoa(block[4:8])
        return Address("tcp", source, ports[0]), Address("tcp", destination, ports[1])
    return addresses_of((ipaddress.IPv6Address(block[:16]), ipaddress.IPv6Address(block[16:32])), ports)


def encode_block(header: ProxyHeader) -> bytes:
    """Says a header in this version.

    Raises:
        ProxyError: It cannot be said.
    """
    ends = ends_of(header)
    if header.local and ends is not None:
        raise ProxyError(f"a proxy that connects on its own account (LOCAL) names no addresses: {header}")
    family, addresses = (_UNSPEC, b"") if ends is None else _pack_ends(ends)
    rest = addresses + pack_tlvs(header.tlvs)
    if len(rest) > _MOST:
        raise ProxyError(f"a PROXY header has {_MOST} bytes behind the first sixteen, and this {len(rest)}")
    command = _LOCAL if header.local else _PROXY
    protocol = _UNSPEC if ends is None else _STREAM
    head = SIGNATURE + bytes([command, family << 4 | protocol]) + len(rest).to_bytes(2, "big")
    return sign(head + rest, _HEAD + len(addresses))


def _pack_ends(ends: tuple[Address, Address]) -> tuple[int, bytes]:
    if family_of(ends) == "unix":
        return _UNIX, unix_name(ends[0]) + unix_name(ends[1])
    source, destination = ips_of(ends)
    ports = ends[0].port.to_bytes(2, "big") + ends[1].port.to_bytes(2, "big")
    return _INET if source.version == 4 else _INET6, source.packed + destination.packed + ports
