"""A pool of byte storage in power-of-two sizes, one per loop."""

from __future__ import annotations

import sys
from typing import Final

from netcore._arguments import size_of
from netcore.buffer.views import VIEWS_ARE_COUNTED, is_viewed

__all__ = ["BufferPool"]

_SMALLEST: Final = 256
# Beyond this, clearing fresh memory costs little next to filling it, and keeping it idle costs much.
_LARGEST: Final = 1 << 20


class BufferPool:
    """Keeps byte arrays for reuse, sorted into classes by size, each a power of two.

    It takes no lock: a pool belongs to one thread, its loop's.

    Args:
        max_retained: Bytes that may lie idle in the pool; what is put beyond that is freed.
        debug: Notice a buffer that is put twice.

    Raises:
        TypeError: ``max_retained`` is no whole number.
        ValueError: ``max_retained`` is negative.
    """

    __slots__ = ("_debug", "_idle", "_max_retained", "_retained", "_shelves")

    def __init__(self, max_retained: int = 4 << 20, *, debug: bool = False) -> None:
        max_retained = size_of(max_retained, "max_retained", None)
        sizes = range(_SMALLEST.bit_length() - 1, _LARGEST.bit_length())
        self._shelves: dict[int, list[bytearray]] = {1 << exponent: [] for exponent in sizes}
        self._max_retained = max_retained
        self._retained = 0
        self._debug = debug
        # Identities stay unique as long as the shelf keeps the buffer alive.
        self._idle: set[int] = set()

    @property
    def retained(self) -> int:
        """Bytes lying idle in the pool."""
        return self._retained

    def get(self, size: int) -> bytearray:
        """Return a byte array of at least ``size`` bytes, whose content is arbitrary.

        Up to 1 MiB its length is a power of two; a larger one is made to measure and not pooled.

        Raises:
            TypeError: ``size`` is no whole number.
            ValueError: ``size`` is negative, or more than there can be.
        """
        size = size_of(size, "size", sys.maxsize)
        if size > _LARGEST:
            return bytearray(size)
        rounded = _SMALLEST if size <= _SMALLEST else 1 << (size - 1).bit_length()
        shelf = self._shelves[rounded]
        if not shelf:
            return bytearray(rounded)
        buffer = shelf.pop()
        self._retained -= rounded
        if self._debug:
            self._idle.discard(id(buffer))
        return buffer

    def put(self, buffer: bytearray) -> None:
        """Take ``buffer`` back; the caller must not use it any more.

        It is freed instead of kept if the pool is full or if its size is none of the pool's classes.

        Raises:
            TypeError: ``buffer`` is no ``bytearray``.
            BufferError: A view of ``buffer`` is alive, so its bytes must not be reused. Where nobody can be
                sure of that (PyPy), it is left to the view, which may be gone but for the collector.
            ValueError: In debug mode, the pool already has ``buffer``.
        """
        if not isinstance(buffer, bytearray):
            raise TypeError(f"the pool takes bytearrays back, and no {type(buffer).__name__}")
        size = len(buffer)
        shelf = self._shelves.get(size)
        if shelf is None:
            return
        if self._debug and id(buffer) in self._idle:
            raise ValueError(f"this buffer of {size} bytes has been put into the pool twice")
        if is_viewed(buffer):
            if not VIEWS_ARE_COUNTED:
                return
            raise BufferError(f"this buffer of {size} bytes still has a view, so it cannot be reused")
        if self._retained + size > self._max_retained:
            return
        shelf.append(buffer)
        self._retained += size
        if self._debug:
            self._idle.add(id(buffer))
