"""Output of which some is in memory and some still in files."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from netcore.buffer import LinkedListBuffer

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["FilePart", "MixedBacklog"]


class FilePart:
    """What is left to send of a part of a regular file.

    Attributes:
        fd: A descriptor of our own, closed by ``close``.
        offset: Where the next byte is.
        left: How many bytes are to be sent from there on.
    """

    __slots__ = ("fd", "left", "offset")

    def __init__(self, fd: int, offset: int, left: int) -> None:
        self.fd = fd
        self.offset = offset
        self.left = left

    def close(self) -> None:
        """Closes the descriptor; to be called once."""
        os.close(self.fd)


class MixedBacklog:
    """A queue of bytes and file parts: what a connection uses of ``LinkedListBuffer``, and files between.

    Args:
        first: What is waiting already.

    Attributes:
        in_memory: Bytes held here.
        in_files: Bytes that are still in files.
        allowance: Bytes of files that may be offered to the kernel before the socket is next reported
            to be writable, so that a long file leaves room for the neighbours.
    """

    __slots__ = ("_parts", "allowance", "in_files", "in_memory")

    def __init__(self, first: LinkedListBuffer | None) -> None:
        self._parts: deque[LinkedListBuffer | FilePart] = deque()
        self.in_memory = 0
        self.in_files = 0
        self.allowance = 0
        if first is not None and not first.is_empty:
            self._parts.append(first)
            self.in_memory = first.buffered

    @property
    def buffered(self) -> int:
        """Bytes that wait, wherever they are."""
        return self.in_memory + self.in_files

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._parts

    @property
    def file(self) -> FilePart | None:
        """The file part that is next; None if bytes are, or nothing."""
        head = self._parts[0] if self._parts else None
        return head if isinstance(head, FilePart) else None

    def write(self, data: Buffer) -> int:
        """Appends bytes; see ``LinkedListBuffer.write``."""
        tail = self._parts[-1] if self._parts else None
        if not isinstance(tail, LinkedListBuffer):
            tail = LinkedListBuffer()
            self._parts.append(tail)
        n = tail.write(data)
        if tail.is_empty:
            self._parts.pop()
        self.in_memory += n
        return n

    def add_file(self, part: FilePart) -> None:
        """Appends a part of a file, and takes its descriptor over."""
        self._parts.append(part)
        self.in_files += part.left

    def prepend(self, chunk: bytes | memoryview) -> None:
        """Puts a chunk back in front of all; see ``LinkedListBuffer.prepend``."""
        if not chunk:
            return
        head = self._parts[0] if self._parts else None
        if not isinstance(head, LinkedListBuffer):
            head = LinkedListBuffer()
            self._parts.appendleft(head)
        head.prepend(chunk)
        self.in_memory += len(chunk)

    def pop_chunks(self, limit: int) -> list[bytes | memoryview]:
        """Removes chunks from the front, none if a file is next; see ``LinkedListBuffer.pop_chunks``."""
        head = self._parts[0] if self._parts else None
        if not isinstance(head, LinkedListBuffer):
            return []
        chunks = head.pop_chunks(limit)
        if head.is_empty:
            self._parts.popleft()
        self.in_memory -= sum(map(len, chunks))
        return chunks

    def file_sent(self, n: int) -> None:
        """Takes so many bytes off the file that is next, and closes it if these were the last."""
        part = self.file
        assert part is not None
        part.offset += n
        part.left -= n
        self.in_files -= n
        self.allowance -= n
        if not part.left:
            self._parts.popleft()
            part.close()

    def release(self) -> None:
        """Drops everything and closes the files."""
        parts, self._parts = self._parts, deque()
        self.in_memory = self.in_files = 0
        for part in parts:
            if isinstance(part, FilePart):
                part.close()
