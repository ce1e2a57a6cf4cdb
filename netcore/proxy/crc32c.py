"""The checksum CRC32c (RFC 4960, appendix B), which neither zlib nor binascii has."""

from __future__ import annotations

__all__ = ["crc32c"]

_POLYNOMIAL = 0x82F63B78
"""Castagnoli's, 0x1EDC6F41, with its bits reversed: the lowest bit of a byte goes first."""


def _step(remainder: int) -> int:
    for _ in range(8):
        remainder = (remainder >> 1) ^ (_POLYNOMIAL if remainder & 1 else 0)
    return remainder


_TABLE = tuple(map(_step, range(256)))


def crc32c(data: bytes) -> int:
    """Returns the checksum of all the bytes, an unsigned number of 32 bits."""
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder = _TABLE[(remainder ^ byte) & 0xFF] ^ (remainder >> 8)
    return remainder ^ 0xFFFFFFFF
