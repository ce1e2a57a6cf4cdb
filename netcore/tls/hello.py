"""What a ClientHello asks for, read beside OpenSSL.

A server learns the name from OpenSSL only by the context's ``sni_callback``, which belongs to the user, who
may set it at any time; and before Python 3.15 it cannot tell OpenSSL over which groups keys are agreed on.
Whether the message is well formed is OpenSSL's business: what cannot be read here asks for nothing, and ends
the handshake there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from netcore.tls.records import HANDSHAKE, HEADER

__all__ = ["HelloReader"]

_CLIENT_HELLO = 1
_SERVER_NAME = 0
_HOST_NAME = 0
_SUPPORTED_GROUPS = 10
_KEY_SHARE = 51
_WANTED = frozenset((_SERVER_NAME, _SUPPORTED_GROUPS, _KEY_SHARE))

_TWO_NUMBERS = struct.Struct(">HH").unpack_from
"""An extension's type and length, or a group and the length of its share."""

_CHEAP = frozenset((0x17, 0x18, 0x19, 0x1D, 0x1E, 0x100, 0x101))
"""Three curves of NIST, X25519, X448, ffdhe2048 and ffdhe3072 (RFC 8446, 4.2.7): what OpenSSL 3.5 has by
default, but for what earlier ones do not know."""

_COSTLY = frozenset((0x102, 0x103, 0x104))
"""ffdhe4096, ffdhe6144 and ffdhe8192, which those earlier ones have by default, too."""


class HelloReader:
    """Finds the server's name and the kind of key exchange in the first records of a client.

    Attributes:
        server_name: What the client asks for, in ASCII; None if it names nobody.
        costly: Whether OpenSSL would agree on a key in TLS 1.3 at ten to eighty times the cost of all else,
            while a hostile client has none (CVE-2002-20001).
    """

    __slots__ = ("_message", "costly", "server_name")

    def __init__(self) -> None:
        self.server_name: str | None = None
        self.costly = False
        self._message = bytearray()

    def feed(self, records: bytes | bytearray | memoryview) -> bool:
        """Takes whole records; a message may be spread over several.

        Returns:
            Whether nothing more is to be fed: what it says is known.
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
        said = _extensions(bytes(message[4:end]))
        self.server_name = _server_name(said.get(_SERVER_NAME, b""))
        if _KEY_SHARE in said:
            self.costly = _is_costly(said[_KEY_SHARE], said.get(_SUPPORTED_GROUPS, b""))
        return True


def _extensions(hello: bytes) -> dict[int, bytes]:
    """Takes out of a ClientHello (RFC 8446, 4.1.2) what is wanted here; of two of a type the first counts.

    It is walked through in the fewest steps there are: each handshake pays for them.
    """
    said: dict[int, bytes] = {}
    try:
        at = 2 + 32  # behind legacy_version, random
        at += 1 + hello[at]  # legacy_session_id
        at += 2 + _number(hello, at)  # cipher_suites
        at += 1 + hello[at]  # legacy_compression_methods
        at += 2  # the length of all extensions
        size = len(hello)
        while at < size:
            kind, length = _TWO_NUMBERS(hello, at)
            if kind in _WANTED and kind not in said:
                said[kind] = hello[at + 4 : at + 4 + length]
            at += 4 + length
    except (IndexError, struct.error):
        pass
    return said


def _server_name(extension: bytes) -> str | None:
    """Reads the extension server_name (RFC 6066, 3)."""
    try:
        # The length of the list, the type of the first name, its length, the name.
        end = 5 + _number(extension, 3)
        if extension[2] != _HOST_NAME or end > len(extension):
            return None
        return extension[5:end].decode("ascii")
    except (IndexError, UnicodeDecodeError):
        return None


def _is_costly(key_share: bytes, supported_groups: bytes) -> bool:
    """Looks at what OpenSSL would take: the first share of a group it knows, else a group it asks for."""
    for group in _shares(key_share):
        if group in _CHEAP or group in _COSTLY:
            return group in _COSTLY
    groups = set(_groups(supported_groups))
    return not groups.isdisjoint(_COSTLY) and groups.isdisjoint(_CHEAP)


def _shares(extension: bytes) -> Iterator[int]:
    """Yields the groups of a ClientHello's key_share (RFC 8446, 4.2.8)."""
    at = 2
    while at + 4 <= len(extension):
        group, length = _TWO_NUMBERS(extension, at)
        yield group
        at += 4 + length


def _groups(extension: bytes) -> Iterator[int]:
    """Yields the groups of supported_groups (RFC 8446, 4.2.7)."""
    for at in range(2, len(extension) - 1, 2):
        yield _number(extension, at)


def _number(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]
