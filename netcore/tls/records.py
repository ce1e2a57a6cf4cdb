"""The record layer as far as it can be seen without keys (RFC 8446, 5.1)."""

from __future__ import annotations

__all__ = [
    "APPLICATION_DATA",
    "HANDSHAKE",
    "HEADER",
    "LARGEST_PLAIN",
    "has_handshake",
    "missing",
    "portion",
    "whole",
]

HEADER = 5
"""Bytes in front of each record: a type, a version of two bytes, a length of two."""

LARGEST_PLAIN = 16384
"""Bytes of the application's that one record carries at most."""

HANDSHAKE = 22
APPLICATION_DATA = 23
"""Also the type that every encrypted record of TLS 1.3 shows."""

_TYPES = range(20, 25)
"""change_cipher_spec, alert, handshake, application_data, heartbeat (RFC 6520)."""

_LARGEST_BODY = LARGEST_PLAIN + 2048
"""What TLS 1.2 allows for a record's body (RFC 5246, 6.2.3); 1.3 allows less."""


def whole(data: bytes | bytearray | memoryview) -> int:
    """Returns how many of these bytes are whole records.

    Whatever cannot be a record counts as whole, with all that follows it, so that OpenSSL sees it at once and
    says what is wrong with it.
    """
    size = len(data)
    at = 0
    while size - at >= HEADER:
        length = data[at + 3] << 8 | data[at + 4]
        if data[at] not in _TYPES or data[at + 1] != 3 or length > _LARGEST_BODY:
            return size
        if size - at < HEADER + length:
            break
        at += HEADER + length
    return at


def portion(records: bytes | bytearray | memoryview, at: int, most: int) -> tuple[int, int]:
    """Returns where the next records end, so many at most, and how many they are; see ``whole``."""
    size = len(records)
    count = 0
    while count < most and size - at >= HEADER:
        at += HEADER + (records[at + 3] << 8 | records[at + 4])
        count += 1
    return (at, count) if count == most and at < size else (size, count)


def missing(part: bytearray) -> int:
    """Returns how many bytes an incomplete record wants, as far as it tells by now; at least one."""
    if len(part) < HEADER:
        return HEADER - len(part)
    return HEADER + (part[3] << 8 | part[4]) - len(part)


def has_handshake(records: bytes | bytearray | memoryview) -> bool:
    """Whether one of these whole records is of the type for handshakes. In TLS 1.3 that is encrypted."""
    at = 0
    while len(records) - at >= HEADER:
        if records[at] == HANDSHAKE:
            return True
        at += HEADER + (records[at + 3] << 8 | records[at + 4])
    return False
