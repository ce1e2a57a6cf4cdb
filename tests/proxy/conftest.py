"""What the tests of the PROXY protocol share: headers by hand, and decoders that are fed in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from netcore.proxy import ProxyDecoder

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


@pytest.fixture(scope="session")
def block() -> Callable[..., bytes]:
    """Makes a header of version 2 by hand: ``block(0x21, 0x11, b"...")``."""

    def make(command: int, family: int, rest: bytes = b"", size: int | None = None) -> bytes:
        length = len(rest) if size is None else size
        return SIGNATURE + bytes([command, family]) + length.to_bytes(2, "big") + rest

    return make


@pytest.fixture(scope="session")
def fed() -> Callable[[Iterable[bytes]], ProxyDecoder]:
    """Feeds pieces to a new decoder."""

    def feed(pieces: Iterable[bytes]) -> ProxyDecoder:
        decoder = ProxyDecoder()
        for piece in pieces:
            decoder.feed(piece)
        return decoder

    return feed
