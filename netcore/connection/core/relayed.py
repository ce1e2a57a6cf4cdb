"""The peer of a connection that came with a PROXY header."""

from __future__ import annotations

from netcore.address import Address
from netcore.proxy import ProxyDecoder, ProxyHeader
from netcore.sockets import unpack_name

__all__ = ["Relayed"]


class Relayed:
    """Stands where a connection has its peer's address: a field of its own would be one of every connection.

    Both are kept as the bytes that they came as until somebody asks, which a busy server seldom does of most.

    Args:
        peer: The address of the socket's peer, or its packed name.
        header: The bytes of the header, which is right.
    """

    __slots__ = ("_header", "peer")

    def __init__(self, peer: bytes | Address, header: bytes) -> None:
        self.peer = peer
        self._header: bytes | ProxyHeader = header

    @property
    def peer_address(self) -> Address:
        """The address of the socket's peer. Any thread."""
        if isinstance(self.peer, bytes):
            self.peer = unpack_name(self.peer)
        return self.peer

    @property
    def header(self) -> ProxyHeader:
        """What the peer has said. Any thread."""
        header = self._header
        if isinstance(header, ProxyHeader):
            return header
        decoder = ProxyDecoder()
        decoder.feed(header)
        assert decoder.header is not None
        self._header = decoder.header
        return decoder.header
