"""A ring of bytes that grows when it is full.

Storage is never resized in place. Growing copies the bytes to new storage, which is what keeps views
of the old storage valid. Views also look at bytes that may be consumed and then written over when the
ring comes round; ``_unseen`` is there for that. It is None while no view has been handed out since the
storage was new; afterwards it counts the free bytes after the last one held that no view can look at.
A write that goes further than those has to make sure first that all views are gone.
"""

from __future__ import annotations

import sys
from operator import index
from typing import TYPE_CHECKING, Final

from netcore._arguments import ALL, size_of
from netcore.buffer.base import BufferBase
from netcore.buffer.views import VIEWS_ARE_COUNTED, byte_view, is_viewed, writable_view

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["NO_STORAGE", "RingBuffer"]

# Shared by all rings without storage; it has no byte that could be written.
NO_STORAGE: Final = bytearray()

_FIRST_CAPACITY: Final = 1024
_DOUBLING_ENDS: Final = 4096


def _first(needed: int) -> int:
    return max(_FIRST_CAPACITY, 1 << (needed - 1).bit_length())


def _grown(capacity: int, needed: int) -> int:
    while capacity < needed:
        capacity += capacity if capacity < _DOUBLING_ENDS else capacity // 4
    return capacity


class RingBuffer(BufferBase):
    """A ring buffer: bytes are written behind its tail and read from its head, around the end.

    When it is full it doubles below 4 KiB and grows by a quarter from there on until the data fits. It
    does not shrink; ``release`` gives the storage up. For one thread.

    Args:
        capacity: Bytes to have room for from the start, rounded up to a power of two; with 0, storage
            is taken with the first write.

    Raises:
        TypeError: ``capacity`` is no whole number.
        ValueError: ``capacity`` is negative, or more than there can be.
    """

    __slots__ = ("_head", "_size", "_storage", "_unseen")

    def __init__(self, capacity: int = 0) -> None:
        capacity = size_of(capacity, "capacity", sys.maxsize)
        self._storage = bytearray(1 << (capacity - 1).bit_length()) if capacity else NO_STORAGE
        self._head = 0
        self._size = 0
        self._unseen: int | None = None

    @property
    def capacity(self) -> int:
        """Bytes there is storage for."""
        return len(self._storage)

    @property
    def buffered(self) -> int:
        """Bytes held."""
        return self._size

    @property
    def available(self) -> int:
        """Bytes that can be written before the ring has to grow."""
        return len(self._storage) - self._size

    @property
    def is_empty(self) -> bool:
        """Whether no byte is held."""
        return not self._size

    @property
    def is_full(self) -> bool:
        """Whether all storage is taken up; an empty ring never is full."""
        return 0 < self._size == len(self._storage)

    def write(self, data: Buffer) -> int:
        """Append a copy of ``data``, growing as needed; returns its size in bytes."""
        if type(data) is bytes:
            return self._append(data)
        source = byte_view(data)
        try:
            return self._append(source)
        finally:
            source.release()  # here and below: "with" takes several times as long

    def _append(self, source: bytes | memoryview) -> int:
        size = len(source)
        if not size:
            return 0
        self._make_room(size)
        # Assigning through a view copies once; bytearray's own slices go through a temporary.
        storage = memoryview(self._storage)
        capacity = len(storage)
        start = self._head + self._size
        if start >= capacity:
            start -= capacity
        end = start + size
        if end <= capacity:
            storage[start:end] = source
        else:
            with memoryview(source) as whole, whole[: capacity - start] as first, whole[len(first) :] as rest:
                storage[start:] = first
                storage[: end - capacity] = rest
        storage.release()
        self._size += size
        return size

    def read(self, n: int = ALL) -> bytes:
        """Remove and return up to ``n`` bytes, all if negative; ``b""`` if there is nothing."""
        if n is not ALL:
            n = index(n)
        if not 0 <= n <= self._size:
            n = self._size
        if not n:
            return b""
        data = self._copy(n)
        self._consume(n)
        return data

    def read_into(self, buffer: Buffer) -> int:
        """Move as many bytes as ``buffer`` has room for into it; returns how many.

        Raises:
            TypeError: ``buffer`` is read-only.
        """
        with writable_view(buffer) as target:
            n = min(len(target), self._size)
            if n:
                self._copy_into(target, n)
                self._consume(n)
            return n

    def peek(self, n: int = ALL) -> list[memoryview]:
        """Return at most two read-only views of the first ``n`` bytes, all if negative, without copying.

        If fewer bytes are held, they are all there is. While a view is alive, a write that would have
        to reuse its storage moves to new storage instead.
        """
        if n is not ALL:
            n = index(n)
        if not 0 <= n <= self._size:
            n = self._size
        if not n:
            return []
        if self._unseen is None:
            self._unseen = len(self._storage) - self._size
        return self._views(n)

    def copy(self, n: int = ALL) -> bytes:
        """Return the first ``n`` bytes, all if negative, and leave them where they are.

        If fewer bytes are held, they are all there is.
        """
        if n is not ALL:
            n = index(n)
        if not 0 <= n <= self._size:
            n = self._size
        return self._copy(n) if n else b""

    def discard(self, n: int = ALL) -> int:
        """Remove up to ``n`` bytes, all if negative; returns how many."""
        if n is not ALL:
            n = index(n)
        if not 0 <= n <= self._size:
            n = self._size
        if n:
            self._consume(n)
        return n

    def reset(self) -> None:
        """Drop all bytes and keep the storage."""
        if self._size:
            self._consume(self._size)

    def release(self) -> None:
        """Drop all bytes and the storage; the next write takes new storage."""
        self._storage = NO_STORAGE
        self._head = 0
        self._size = 0
        self._unseen = None

    def _front(self) -> memoryview:
        return self.peek()[0]

    def _views(self, n: int) -> list[memoryview]:
        whole = memoryview(self._storage)
        view = whole.toreadonly()
        end = self._head + n
        views = (
            [view[self._head : end]] if end <= len(view) else [view[self._head :], view[: end - len(view)]]
        )
        view.release()
        whole.release()
        return views

    # The views made for copying are confined to the next two methods: none of them may be alive when
    # storage is handed back, which happens right after.

    def _copy(self, n: int) -> bytes:
        views = self._views(n)
        data = views[0].tobytes() if len(views) == 1 else b"".join(views)
        for view in views:
            view.release()
        return data

    def _copy_into(self, target: memoryview, n: int) -> None:
        position = 0
        for view in self._views(n):
            with view:
                target[position : position + len(view)] = view
                position += len(view)

    def _consume(self, n: int) -> None:
        self._size -= n
        if not self._size:
            self._emptied()
            return
        self._head += n
        if self._head >= len(self._storage):
            self._head -= len(self._storage)

    def _make_room(self, size: int) -> None:
        capacity = len(self._storage)
        if not capacity:
            self._storage = self._new_storage(_first(size))
        elif self._size + size > capacity:
            self._move(_grown(capacity, self._size + size))
        elif self._unseen is None:
            return
        elif size <= self._unseen:
            self._unseen -= size
        elif self._is_lent():
            self._move(capacity)
        else:
            self._unseen = None

    def _is_lent(self) -> bool:
        """Whether a view may still look at the storage; where nobody counts, each may live on."""
        return self._unseen is not None and (not VIEWS_ARE_COUNTED or is_viewed(self._storage))

    def _move(self, capacity: int) -> None:
        storage = self._new_storage(capacity)
        with memoryview(storage) as target:
            self._copy_into(target, self._size)
        self._drop_storage()
        self._storage = storage
        self._head = 0

    def _emptied(self) -> None:
        # Starting over at the front keeps what comes next in one piece.
        self._head = 0
        if self._unseen is not None:
            self._unseen = 0

    def _new_storage(self, capacity: int) -> bytearray:
        return bytearray(capacity)

    def _drop_storage(self) -> None:
        self._storage = NO_STORAGE
        self._unseen = None
