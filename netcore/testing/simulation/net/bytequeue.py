"""Bytes that wait to be received, in the pieces in which they have come."""

from __future__ import annotations

from collections import deque

__all__ = ["ByteQueue", "first"]


def first(data: bytes | bytearray | memoryview, size: int) -> bytes:
    """Returns a copy of the first bytes.

    No view is left behind, which would keep a bytearray from being changed, on PyPy for some time.
    """
    if not isinstance(data, memoryview):
        return bytes(data[:size])
    with data[:size] as part:
        return bytes(part)


class ByteQueue:
    """A queue of bytes.

    Attributes:
        size: How many it has.
    """

    __slots__ = ("_at", "_chunks", "size")

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._at = 0  # how much of the first chunk has been taken
        self.size: int = 0

    def put(self, data: bytes) -> None:
        """Appends bytes."""
        if data:
            self._chunks.append(data)
            self.size += len(data)

    def take(self, size: int) -> bytes:
        """Removes and returns so many bytes, or fewer if there are no more."""
        chunks, at = self._chunks, self._at
        if size <= 0 or not chunks:
            return b""
        first = chunks[0]
        length = len(first) - at
        if length > size:
            self._at = at + size
            self.size -= size
            return first[at : at + size]
        chunks.popleft()
        self._at = 0
        self.size -= length
        data = first[at:] if at else first
        if length == size or not chunks:
            return data
        pieces = [data]
        left = size - length
        while left and chunks:
            piece = chunks[0]
            if len(piece) > left:
                pieces.append(piece[:left])
                self._at = left
                self.size -= left
                break
            chunks.popleft()
            self.size -= len(piece)
            left -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def peek(self, size: int) -> bytes:
        """Returns what ``take`` would, and removes nothing."""
        pieces = []
        left, at = size, self._at
        for chunk in self._chunks:
            if left <= 0:
                break
            piece = chunk[at : at + left]
            at = 0
            left -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def clear(self) -> None:
        """Drops everything."""
        self._chunks.clear()
        self._at = 0
        self.size = 0
