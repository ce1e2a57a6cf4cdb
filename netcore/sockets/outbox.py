"""What a turn has written and not yet sent."""

from __future__ import annotations

from netcore.sockets.protocol import Chunk

__all__ = ["Outbox"]


class Outbox:
    """Two parallel lists, socket and chunk, in the order of writing; one batch of ``Transport.send``.

    It is a structure, not a queue: connections append to the lists themselves, since a call per
    write would cost more than the write.

    Attributes:
        fds: The socket of each chunk.
        chunks: What to send to it.
        size: Bytes in all chunks.
        limit: The size from which a writer must have the outbox sent before it goes on.
    """

    __slots__ = ("chunks", "fds", "limit", "size")

    def __init__(self, limit: int) -> None:
        self.fds: list[int] = []
        self.chunks: list[Chunk] = []
        self.size = 0
        self.limit = limit

    def add(self, fd: int, chunk: Chunk) -> None:
        """Notes a chunk down."""
        self.fds.append(fd)
        self.chunks.append(chunk)
        self.size += len(chunk)

    def clear(self) -> None:
        """Forgets everything."""
        self.fds.clear()
        self.chunks.clear()
        self.size = 0

    def bytes_for(self, fd: int) -> int:
        """Counts the bytes noted down for one socket."""
        return sum(len(chunk) for other, chunk in zip(self.fds, self.chunks, strict=True) if other == fd)
