"""A queue of chunks that are kept as they came, without joining them.

The chunks stand in a deque of three kinds: ``bytes``, kept by reference; read-only views of bytes; and
blocks, in which small writes are gathered. A one-byte ``bytes`` object of its own takes 34 bytes and 8
more for its place in the queue; in a block it takes one and the allocator's slack of an eighth.

Only the last block grows, and nothing ever overwrites a byte of a block, so views of it stay right.
Python refuses to grow it while a view is alive; then the next write starts another chunk. So it does where
PyPy has yet to find out that a view is gone.
"""

from __future__ import annotations

from collections import deque
from operator import index
from typing import TYPE_CHECKING, Final, TypeAlias

from netcore._arguments import ALL
from netcore.buffer.base import BufferBase
from netcore.buffer.views import byte_view, writable_view

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["LinkedListBuffer"]

# Below this a copy is cheaper than carrying one more chunk through the queue and the system call.
_SMALL: Final = 1024
_BLOCK: Final = 16 * 1024


class _Block(bytearray):
    """A byte array of our own: known, by its type, never to have a byte overwritten."""

    __slots__ = ()


_Chunk: TypeAlias = "bytes | memoryview | _Block"


def _view(chunk: _Chunk) -> memoryview:
    view = memoryview(chunk)
    return view.toreadonly() if type(chunk) is _Block else view


def _kept(data: Buffer) -> bytes | memoryview:
    """The data itself, or a view of it, if nobody can change it, else a copy."""
    if type(data) is bytes:
        return data
    view = byte_view(data)
    if type(view.obj) in (bytes, _Block):
        return view
    with view:
        return view.tobytes()


class LinkedListBuffer(BufferBase):
    """A queue of chunks for bytes that wait to be sent: appending does not move what is there.

    ``bytes`` of 1 KiB and more, and read-only views of such, are kept by reference, and with a view
    all of the object that it belongs to; everything else is copied. A chunk is freed when its last
    byte is consumed. An empty buffer holds no storage. For one thread.
    """

    __slots__ = ("_chunks", "_offset", "_size")

    def __init__(self) -> None:
        # An empty deque is a page of 64 slots; only a buffer that is in use has one.
        self._chunks: deque[_Chunk] | None = None
        self._offset = 0  # bytes of the first chunk that are consumed already
        self._size = 0

    @property
    def buffered(self) -> int:
        """Bytes held."""
        return self._size

    @property
    def is_empty(self) -> bool:
        """Whether no byte is held."""
        return not self._size

    def write(self, data: Buffer) -> int:
        """Append ``data``, by reference if it is ``bytes``, else copied; returns its size in bytes."""
        kept = data if type(data) is bytes else _kept(data)
        size = len(kept)
        if not size:
            return 0
        if self._chunks is None:
            self._chunks = deque()
        if size >= _SMALL:
            self._chunks.append(kept)
        elif not self._gather(self._chunks, kept):
            self._chunks.append(bytes(kept))
        self._size += size
        return size

    def read(self, n: int = ALL) -> bytes:
        """Remove and return up to ``n`` bytes, all if negative; ``b""`` if there is nothing."""
        if n is not ALL:
            n = index(n)
        return b"".join(self.pop_chunks(n))

    def read_into(self, buffer: Buffer) -> int:
        """Move as many bytes as ``buffer`` has room for into it; returns how many.

        Raises:
            TypeError: ``buffer`` is read-only.
        """
        with writable_view(buffer) as target:
            position = 0
            for chunk in self.pop_chunks(len(target)):
                target[position : position + len(chunk)] = chunk
                position += len(chunk)
            return position

    def peek(self, n: int = ALL) -> list[memoryview]:
        """Return read-only views of the first ``n`` bytes, all if negative, one per chunk, no copy.

        If fewer bytes are held, they are all there is.
        """
        if n is not ALL:
            n = index(n)
        views: list[memoryview] = []
        left = n if 0 <= n <= self._size else self._size
        offset = self._offset
        for chunk in self._chunks or ():
            if not left:
                break
            view = _view(chunk)[offset : offset + left]
            views.append(view)
            left -= len(view)
            offset = 0
        return views

    def discard(self, n: int = ALL) -> int:
        """Remove up to ``n`` bytes, all if negative; returns how many."""
        if n is not ALL:
            n = index(n)
        if self._chunks is None:
            return 0
        if not 0 <= n < self._size:
            n = self._size
            self.reset()
            return n
        end = self._offset + n
        while end >= len(self._chunks[0]):
            end -= len(self._chunks.popleft())
        self._offset = end
        self._size -= n
        return n

    def pop_chunks(self, limit: int) -> list[bytes | memoryview]:
        """Remove whole chunks from the front, as they are, and return them.

        Args:
            limit: Bytes to return at most; the last chunk is split if it does not fit. Negative: all.

        Returns:
            The chunks, none of them empty; those that are split or gathered as read-only views. Their
            bytes never change.
        """
        popped: list[bytes | memoryview] = []
        chunks = self._chunks
        left = limit if 0 <= limit <= self._size else self._size
        self._size -= left
        while chunks and left:
            chunk = chunks[0]
            start = self._offset
            size = len(chunk) - start
            if size > left:
                popped.append(_view(chunk)[start : start + left])
                self._offset += left
                break
            chunks.popleft()
            self._offset = 0
            left -= size
            if type(chunk) is bytes and not start:
                popped.append(chunk)
            else:
                popped.append(_view(chunk)[start:])
        if not self._size:
            self.reset()
        return popped

    def prepend(self, chunk: Buffer) -> None:
        """Put a chunk back in front of all others.

        Args:
            chunk: Kept by reference if it is ``bytes`` or a read-only view of such, which includes all
                that ``pop_chunks`` returns; copied otherwise.
        """
        kept = _kept(chunk)
        if not kept:
            return
        if self._chunks is None:
            self._chunks = deque()
        elif self._offset:
            self._chunks[0] = _view(self._chunks[0])[self._offset :]
            self._offset = 0
        self._chunks.appendleft(kept)
        self._size += len(kept)

    def reset(self) -> None:
        """Drop all bytes and all storage."""
        self._chunks = None
        self._offset = 0
        self._size = 0

    def release(self) -> None:
        """Drop all bytes and all storage; the same as ``reset``."""
        self.reset()

    def _front(self) -> memoryview:
        assert self._chunks is not None
        return _view(self._chunks[0])[self._offset :]

    @staticmethod
    def _gather(chunks: deque[_Chunk], data: bytes | memoryview) -> bool:
        """Append a small write to the last chunk, if that is small or a block with room."""
        if not chunks:
            return False
        last = chunks[-1]
        if type(last) is bytes and len(last) < _SMALL:
            block = _Block(last)
            block += data
            chunks[-1] = block
            return True
        if type(last) is _Block and len(last) + len(data) <= _BLOCK:
            try:
                last += data
            except BufferError:
                return False
            return True
        return False
