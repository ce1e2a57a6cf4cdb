"""The peer of a connection that came with a PROXY header."""

from __future__ import annotations

from netcore.address import Address
from netcore.proxy import ProxyHeader
from netcore.sockets import unpack_name

__all__ = ["Relayed"]


class Relayed:
    """Stands where a connection has its peer's address: a field of its own would be one of every connection.

    Attributes:
        peer: The address of the socket's peer, or its packed name.
        header: What the peer has said.
    """

    __slots__ = ("header", "peer")

    def __init__(self, peer: bytes | Address, header: ProxyHeader) -> None:
        self.peer = peer
        self.header = header

    @property
    def peer_address(self) -> Address:
        """The address of the socket's peer. Any thread."""
        if isinstance(self.peer, bytes):
            self.peer = unpack_name(self.peer)
        return self.peer
