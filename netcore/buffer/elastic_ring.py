"""A ring that holds storage only while it holds bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

    def reset(self) -> None:
        """Drop all bytes and give up the storage."""
        super().reset()

    def release(self) -> None:
        """Drop all bytes and give up the storage; the same as ``reset``."""
        super().reset()

    def _emptied(self) -> None:
        self._head = 0
        self._drop_storage()

    def _new_storage(self, capacity: int) -> bytearray:
        return bytearray(capacity) if self._pool is None else self._pool.get(capacity)

    def _drop_storage(self) -> None:
        storage = self._storage
        lent = self._is_lent()
        self._storage = NO_STORAGE
        self._unseen = None
        if self._pool is not None and not lent:
            self._pool.put(storage)
