"""What all buffers do in the same way: vectored writes and the exchange with file objects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from netcore._arguments import check_method, taken_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer

    from netcore.buffer.protocol import ReadableFile, WritableFile

__all__ = ["BufferBase"]

# Large enough that reading a file costs few calls, small enough not to hold a whole file twice.
_FILE_READ: Final = 64 * 1024


class BufferBase(ABC):
    """The part of ``ByteBuffer`` that is built on the rest of it."""

    __slots__ = ()

    @property
    @abstractmethod
    def buffered(self) -> int:
        """Bytes held."""

    @abstractmethod
    def write(self, data: Buffer) -> int:
        """Append all of ``data``; returns its size in bytes."""

    @abstractmethod
    def discard(self, n: int = -1) -> int:
        """Remove up to ``n`` bytes, all if negative; returns how many."""

    @abstractmethod
    def _front(self) -> memoryview:
        """A read-only view of the first contiguous bytes, at least one; the buffer is not empty."""

    @property
    def is_empty(self) -> bool:
        """Whether no byte is held."""
        return self.buffered == 0

    def writev(self, chunks: Iterable[Buffer]) -> int:
        """Append every chunk in order and return their total size in bytes.

        Raises:
            TypeError: A chunk is no buffer; the chunks before it stay appended.
        """
        return sum(map(self.write, chunks))

    def write_to(self, file: WritableFile) -> int:
        """Write to ``file`` until the buffer is empty or ``file`` takes no more.

        Bytes are consumed as ``file`` takes them. ``file`` may keep the views that it is given.

        Args:
            file: Anything with ``write``; short writes are continued, ``None`` or 0 ends the transfer.

        Returns:
            The number of bytes taken.

        Raises:
            TypeError: ``file`` has no ``write``, or that returns neither a whole number nor None.
            ValueError: ``file`` claims to have taken more than it was offered, or less than nothing.
            Exception: Whatever ``file`` raises; the buffer then holds what was not taken.
        """
        check_method(file, "write")
        total = 0
        while not self.is_empty:
            front = self._front()
            offered = len(front)
            try:
                taken = file.write(front)
            except BlockingIOError as error:
                # io.BufferedWriter fills its own buffer before it raises, and says here by how much.
                self.discard(taken_of(getattr(error, "characters_written", 0), offered))
                raise
            finally:
                del front  # or the storage would still be seen as lent out when it is emptied
            accepted = taken_of(taken, offered)
            if not accepted:
                break
            self.discard(accepted)
            total += accepted
        return total

    def read_from(self, file: ReadableFile) -> int:
        """Append what ``file`` holds, until its end or until it has nothing without blocking.

        Args:
            file: Anything with ``read``; short reads are continued.

        Returns:
            The number of bytes read.

        Raises:
            Exception: Whatever ``file`` raises; the bytes read before stay in the buffer.
        """
        check_method(file, "read")
        total = 0
        while True:
            data = file.read(_FILE_READ)
            size = 0 if data is None else self.write(data)
            if not size:
                return total
            total += size

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.buffered} bytes>"
