"""What every byte buffer can do, and what it asks of the file objects it is filled from or drained to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer

__all__ = ["ByteBuffer", "ReadableFile", "WritableFile"]


class ReadableFile(Protocol):
    """A source of bytes, such as a file opened for binary reading."""

    def read(self, n: int, /) -> Buffer | None:
        """Return up to ``n`` bytes; none at the end, ``None`` if none can be had without blocking."""
        ...


class WritableFile(Protocol):
    """A sink for bytes, such as a file opened for binary writing, buffered or not."""

    def write(self, data: memoryview, /) -> int | None:
        """Take a prefix of ``data`` and return its length; ``None`` if nothing can be taken now."""
        ...


class ByteBuffer(Protocol):
    """A first in, first out queue of bytes.

    All sizes are bytes, whatever the item size of the objects passed in. A negative ``n`` means all.
    Objects passed in must be contiguous, else ``BufferError`` is raised. No method blocks except in
    the file object it is given. A buffer belongs to one thread, its loop's.
    """

    @property
    def buffered(self) -> int:
        """Bytes held."""
        ...

    @property
    def is_empty(self) -> bool:
        """Whether no byte is held."""
        ...

    def write(self, data: Buffer) -> int:
        """Append all of ``data``; returns its size. What is mutable is copied before this returns."""
        ...

    def writev(self, chunks: Iterable[Buffer]) -> int:
        """Append every chunk in order and return their total size.

        If a chunk is no buffer, ``TypeError`` is raised and the chunks before it stay appended.
        """
        ...

    def read(self, n: int = -1) -> bytes:
        """Remove and return up to ``n`` bytes; ``b""`` if there is nothing."""
        ...

    def read_into(self, buffer: Buffer) -> int:
        """Move as many bytes as ``buffer`` has room for into it; returns how many.

        Raises ``TypeError`` if ``buffer`` is read-only, and consumes nothing then.
        """
        ...

    def peek(self, n: int = -1) -> list[memoryview]:
        """Return read-only views of the first ``n`` bytes, or of all if fewer are held; copies nothing.

        No view is empty. The bytes under a view never change, not even once they are consumed.
        """
        ...

    def discard(self, n: int = -1) -> int:
        """Remove up to ``n`` bytes; returns how many."""
        ...

    def write_to(self, file: WritableFile) -> int:
        """Write to ``file`` until the buffer is empty or ``file`` takes no more; returns the bytes taken.

        Bytes are consumed as ``file`` takes them: after an exception from ``file``, which is passed
        on, the buffer holds exactly what was not taken. Raises ``ValueError`` if ``file`` claims more
        than it was offered.
        """
        ...

    def read_from(self, file: ReadableFile) -> int:
        """Append what ``file`` holds until its end, or until it has nothing now; returns the bytes read.

        Bytes read before an exception from ``file``, which is passed on, stay in the buffer.
        """
        ...

    def reset(self) -> None:
        """Drop all bytes, ready to be used again."""
        ...

    def release(self) -> None:
        """Drop all bytes and all storage; the buffer may still be used again."""
        ...
