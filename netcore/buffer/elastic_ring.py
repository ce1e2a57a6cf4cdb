"""A ring that holds storage only while it holds bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from netcore._arguments import ALL
from netcore.buffer.ring import NO_STORAGE, RingBuffer

if TYPE_CHECKING:
    from netcore.buffer.pool import BufferPool

__all__ = ["ElasticRingBuffer"]


class ElasticRingBuffer(RingBuffer):
    """A ring buffer that takes its storage with the first write and gives it up when it is empty.

    Thousands of idle connections then cost no buffer memory. It grows like ``RingBuffer``, rounded up
    to what the pool deals in. For one thread, the pool's.

    Args:
        pool: Where storage comes from and goes back to, unless a view of it is still alive: then it is
            left to that view. With None, storage is allocated and freed.
    """

    __slots__ = ("_pool",)

    def __init__(self, pool: BufferPool | None = None) -> None:
        super().__init__()
        self._pool = pool

    def adopt(self, data: bytes) -> None:
        """Append bytes; an empty ring takes the very object, and a read of all returns it."""
        if self._size or not data:
            self.write(data)
        else:
            self._storage = cast("bytearray", data)  # until somebody writes: see _make_room
            self._size = len(data)

    def read(self, n: int = ALL) -> bytes:
        """Remove and return up to ``n`` bytes, all if negative; ``b""`` if there is nothing."""
        storage: object = self._storage
        if n is ALL and type(storage) is bytes and self._size == len(storage):
            self._size = 0
            self._emptied()
            return storage
        return super().read(n)

    def reset(self) -> None:
        """Drop all bytes and give up the storage."""
        super().reset()

    def release(self) -> None:
        """Drop all bytes and give up the storage; the same as ``reset``."""
        super().reset()

    def _make_room(self, size: int) -> None:
        if self._is_adopted():
            self._move(self._size + size)
        else:
            super()._make_room(size)

    def _is_adopted(self) -> bool:
        return isinstance(self._storage, bytes)

    def _is_lent(self) -> bool:
        return not self._is_adopted() and super()._is_lent()  # whose views show what never changes

    def _emptied(self) -> None:
        self._head = 0
        self._drop_storage()

    def _new_storage(self, capacity: int) -> bytearray:
        return bytearray(capacity) if self._pool is None else self._pool.get(capacity)

    def _drop_storage(self) -> None:
        storage = self._storage
        lent = self._is_adopted() or self._is_lent()
        self._storage = NO_STORAGE
        self._unseen = None
        if self._pool is not None and not lent:
            self._pool.put(storage)
