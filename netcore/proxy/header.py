"""What a PROXY header says, in whichever version."""

from __future__ import annotations

from dataclasses import dataclass

from netcore.address import Address
from netcore.errors import NetcoreError

__all__ = ["ProxyError", "ProxyHeader"]


class ProxyError(NetcoreError, ValueError):
    """The bytes are no PROXY header, or a header cannot be said in its version of the protocol."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What goes ahead of a stream; see proxy-protocol.txt of HAProxy.

    Attributes:
        source: The client, of network "tcp" or "unix"; None if the proxy does not say, so that the connection
            is what it seems. Pairs of IPv4-mapped addresses count as IPv4.
        destination: What the client has connected to; None if, and only if, there is no source.
        version: 1, a line of text, or 2, binary.
        local: Whether the proxy has connected on its own account, as for a health check; version 2 only.
        tlvs: What else it says, as types (0 to 255) with their values, in order; version 2 only. A checksum
            among them (type 0x03) is that of the header; padding (0x04) is left out of what is decoded.
    """

    source: Address | None
    destination: Address | None
    version: int = 2
    local: bool = False
    tlvs: tuple[tuple[int, bytes], ...] = ()
