"""The name in a ClientHello, read beside OpenSSL.

A server learns it from OpenSSL only by the context's ``sni_callback``, and that belongs to the user, who may
set it at any time. Whether the message is well formed is OpenSSL's business: what cannot be read here has no
name, and ends the handshake there.
"""

from __future__ import annotations

from netcore.tls.records import HANDSHAKE, HEADER

__all__ = ["HelloReader"]

_CLIENT_HELLO = 1
_SERVER_NAME = 0
_HOST_NAME = 0


class HelloReader:
    """Finds the server's name in the first records of a client.

    Attributes:
        server_name: What the client asks for, in ASCII; None if it names nobody.
    """

    __slots__ = ("_message", "server_name")

    def __init__(self) -> None:
        self.server_name: str | None = None
        self._message = bytearray()

    def feed(self, records: bytes | bytearray | memoryview) -> bool:
        """Takes whole records; a message may be spread over several.

        Returns:
            Whether nothing more is to be fed: the name is known, or there will be none.
        """
        at = 0
        while len(records) - at >= HEADER:
            end = at + HEADER + (records[at + 3] << 8 | records[at + 4])
            if records[at] != HANDSHAKE:
                return True
            self._message += records[at + HEADER : end]
            if self._look():
                return True
            at = end
        return False

    def _look(self) -> bool:
        message = self._message
        if message and message[0] != _CLIENT_HELLO:
            return True
        if len(message) < 4:
            return False
        end = 4 + int.from_bytes(message[1:4], "big")
        if len(message) < end:
            return False
        self.server_name = _server_name(bytes(message[4:end]))
        return True


class _Reader:
    """Fields one after the other; raises IndexError at the end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.data):
            raise IndexError(end)
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def vector(self, size: int) -> bytes:
        """A field with its length in front, which takes ``size`` bytes."""
        return self.take(self.number(size))


def _server_name(hello: bytes) -> str | None:
    """Takes a ClientHello apart (RFC 8446, 4.1.2) as far as its server_name extension (RFC 6066, 3)."""
    try:
        reader = _Reader(hello)
        reader.take(2 + 32)  # legacy_version, random
        reader.vector(1)  # legacy_session_id
        reader.vector(2)  # cipher_suites
        reader.vector(1)  # legacy_compression_methods
        extensions = _Reader(reader.vector(2))
        while True:
            kind, body = extensions.number(2), extensions.vector(2)
            if kind == _SERVER_NAME:
                names = _Reader(_Reader(body).vector(2))
                kind, name = names.number(1), names.vector(2)
                return name.decode("ascii") if kind == _HOST_NAME else None
    except (IndexError, UnicodeDecodeError):
        return None
