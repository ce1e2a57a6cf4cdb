"""A buffer that is a ring while it is small and a list of chunks beyond that."""

from __future__ import annotations

import sys
from operator import index
from typing import TYPE_CHECKING

from netcore._arguments import ALL, size_of
from netcore.buffer.base import BufferBase
from netcore.buffer.elastic_ring import ElasticRingBuffer
from netcore.buffer.linked_list import LinkedListBuffer
from netcore.buffer.views import byte_view, writable_view

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from netcore.buffer.pool import BufferPool

__all__ = ["ElasticBuffer"]


class ElasticBuffer(BufferBase):
    """Holds up to ``max_static`` bytes in a ring and what is written beyond them in a linked list.

    A chunk that does not fit into the ring any more goes to the list whole, where ``bytes`` need no
    copy; so does everything after it, until the list has been read to its end. An empty buffer holds
    no storage. For one thread.

    Args:
        max_static: Bytes that the ring may hold; its storage is rounded up as ``RingBuffer`` does it.
        pool: Where the ring's storage comes from and goes back to; None to allocate and free it.

    Raises:
        TypeError: ``max_static`` is no whole number.
        ValueError: ``max_static`` is negative, or more than there can be.
    """

    __slots__ = ("_list", "_max_static", "_ring")

    def __init__(self, max_static: int, pool: BufferPool | None = None) -> None:
        self._max_static = size_of(max_static, "max_static", sys.maxsize)
        self._ring = ElasticRingBuffer(pool)
        self._list = LinkedListBuffer()

    @property
    def buffered(self) -> int:
        """Bytes held."""
        return self._ring.buffered + self._list.buffered

    @property
    def is_empty(self) -> bool:
        """Whether no byte is held."""
        return self._ring.is_empty and self._list.is_empty

    def write(self, data: Buffer) -> int:
        """Append ``data``; returns its size in bytes."""
        if type(data) is bytes:
            return self._append(data)
        with byte_view(data) as source:
            return self._append(source)

    def _append(self, source: bytes | memoryview) -> int:
        if self._list.is_empty and self._ring.buffered + len(source) <= self._max_static:
            return self._ring.write(source)
        return self._list.write(source)

    def read(self, n: int = ALL) -> bytes:
        """Remove and return up to ``n`` bytes, all if negative; ``b""`` if there is nothing."""
        if n is not ALL:
            n = index(n)
        if self._list.is_empty or 0 <= n <= self._ring.buffered:
            return self._ring.read(n)
        rest = n - self._ring.buffered if n >= 0 else -1
        return b"".join((self._ring.read(), *self._list.pop_chunks(rest)))

    def read_into(self, buffer: Buffer) -> int:
        """Move as many bytes as ``buffer`` has room for into it; returns how many.

        Raises:
            TypeError: ``buffer`` is read-only.
        """
        with writable_view(buffer) as target:
            n = self._ring.read_into(target)
            with target[n:] as rest:
                return n + self._list.read_into(rest)

    def peek(self, n: int = ALL) -> list[memoryview]:
        """Return read-only views of the first ``n`` bytes, all if negative, without copying.

        If fewer bytes are held, they are all there is.
        """
        if n is not ALL:
            n = index(n)
        rest = max(0, n - self._ring.buffered) if n >= 0 else -1
        return self._ring.peek(n) + self._list.peek(rest)

    def discard(self, n: int = ALL) -> int:
        """Remove up to ``n`` bytes, all if negative; returns how many."""
        if n is not ALL:
            n = index(n)
        removed = self._ring.discard(n)
        return removed + self._list.discard(n - removed if n >= 0 else -1)

    def reset(self) -> None:
        """Drop all bytes and all storage."""
        self._ring.reset()
        self._list.reset()

    def release(self) -> None:
        """Drop all bytes and all storage; the same as ``reset``."""
        self.reset()

    def _front(self) -> memoryview:
        return self._list._front() if self._ring.is_empty else self._ring._front()
