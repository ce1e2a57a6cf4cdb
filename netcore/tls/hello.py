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


def _server_name(hello: bytes) -> str | None:
    """Takes a ClientHello apart (RFC 8446, 4.1.2) as far as its server_name extension (RFC 6066, 3)."""
    try:
        at = 2 + 32  # behind legacy_version, random
        at += 1 + hello[at]  # legacy_session_id
        at += 2 + _number(hello, at)  # cipher_suites
        at += 1 + hello[at]  # legacy_compression_methods
        at += 2  # the length of all extensions
        while _number(hello, at) != _SERVER_NAME:
            at += 4 + _number(hello, at + 2)
        # Behind type and length: the length of the list, the type of the first name, its length, the name.
        end = at + 9 + _number(hello, at + 7)
        if hello[at + 6] != _HOST_NAME or end > len(hello):
            return None
        return hello[at + 9 : end].decode("ascii")
    except (IndexError, UnicodeDecodeError):
        return None


def _number(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]
