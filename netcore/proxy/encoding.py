"""Saying a header, in whichever version."""

from __future__ import annotations

from netcore.proxy.binary import encode_block
from netcore.proxy.header import ProxyError, ProxyHeader
from netcore.proxy.text import encode_line

__all__ = ["encode"]


def encode(header: ProxyHeader) -> bytes:
    """Returns the bytes of a header, to be sent ahead of everything else. Any thread.

    A checksum among the TLVs (type 0x03) is computed, whatever its value.

    Raises:
        ProxyError: Its version cannot say it: version 1 has TCP only, and neither ``local`` nor TLVs; no
            version has host names, zones, or ends of two families; 65551 bytes are the most.
        TypeError: It is no ``ProxyHeader``.
    """
    if not isinstance(header, ProxyHeader):
        raise TypeError(f"a PROXY header is a ProxyHeader, not {header!r}")
    if header.version == 1:
        return encode_line(header)
    if header.version == 2:
        return encode_block(header)
    raise ProxyError(f"the PROXY protocol has the versions 1 and 2, not {header.version!r}")
