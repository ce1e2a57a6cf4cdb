"""The two ends of OpenSSL that are in memory."""

from __future__ import annotations

from ssl import MemoryBIO

__all__ = ["Bios"]


class Bios:
    """Where filters put raw bytes for OpenSSL, and take out what it has made.

    One pair serves all filters of one thread: each leaves it empty before it returns. A pair of its own would
    cost each connection the most that it ever held, since a BIO in memory does not shrink.

    Attributes:
        incoming: What OpenSSL reads.
        outgoing: What it has written.
    """

    __slots__ = ("incoming", "outgoing")

    def __init__(self) -> None:
        self.incoming = MemoryBIO()
        self.outgoing = MemoryBIO()
