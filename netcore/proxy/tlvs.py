"""What a header of version 2 says besides addresses: types, lengths and values."""

from __future__ import annotations

from collections.abc import Iterable

from netcore.proxy.crc32c import crc32c
from netcore.proxy.header import ProxyError

__all__ = ["pack_tlvs", "read_tlvs", "sign"]

_CRC32C, _NOOP = 0x03, 0x04
_CHECKSUM_SIZE = 4
_MOST = 65535
"""Bytes of a value: its length has 16 bits."""


def read_tlvs(header: bytes, at: int) -> tuple[tuple[int, bytes], ...]:
    """Returns what stands in a whole header from a place on, without padding.

    Raises:
        ProxyError: One is cut short, or the checksum is wrong.
    """
    found = []
    checksum = -1
    end = len(header)
    while at < end:
        kind, start = header[at], at + 3
        if start > end or (at := start + (header[at + 1] << 8 | header[at + 2])) > end:
            raise ProxyError(f"the PROXY header ends within a TLV of the type {kind:#04x}")
        if kind == _CRC32C:
            if checksum >= 0 or at - start != _CHECKSUM_SIZE:
                raise ProxyError("the PROXY header has a checksum of another size than 4 bytes, or several")
            checksum = start
        if kind != _NOOP:
            found.append((kind, header[start:at]))
    if checksum >= 0 and _with_checksum(header, checksum) != header:
        raise ProxyError("the PROXY header has a wrong checksum: it is not what was sent")
    return tuple(found)


def pack_tlvs(tlvs: Iterable[tuple[int, bytes]]) -> bytes:
    """Returns what stands in a header for them, checksums as zeros; see ``sign``.

    Raises:
        ProxyError: A type is not 0 to 255, a value is too long, or there are several checksums.
    """
    pieces = []
    signed = False
    for kind, value in tlvs:
        if not 0 <= kind <= 255 or len(value) > _MOST:
            raise ProxyError(
                f"a PROXY header has no room for a TLV of the type {kind} with {len(value)} bytes: types go "
                f"from 0 to 255, and values have {_MOST} bytes at most"
            )
        if kind == _CRC32C:
            if signed:
                raise ProxyError("a PROXY header has one checksum, and not several")
            signed, value = True, bytes(_CHECKSUM_SIZE)
        pieces += [bytes([kind]), len(value).to_bytes(2, "big"), value]
    return b"".join(pieces)


def sign(header: bytes, at: int) -> bytes:
    """Returns a whole header, whose TLVs begin at a place, with the right checksum if it has one."""
    while at < len(header):
        start = at + 3
        if header[at] == _CRC32C:
            return _with_checksum(header, start)
        at = start + int.from_bytes(header[at + 1 : start], "big")
    return header


def _with_checksum(header: bytes, at: int) -> bytes:
    """Returns a header with the right checksum at a place: that of the whole with zeros there."""
    before, behind = header[:at], header[at + _CHECKSUM_SIZE :]
    checksum = crc32c(before + bytes(_CHECKSUM_SIZE) + behind)
    return before + checksum.to_bytes(_CHECKSUM_SIZE, "big") + behind
