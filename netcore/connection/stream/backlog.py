"""Output that waits for the kernel: bytes in memory, and parts of files between them."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from netcore.buffer import LinkedListBuffer
from netcore.sockets import Chunk

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Backlog", "FilePart", "OpenFile"]

_PER_PART = 128
"""Bytes that a part of a file takes here, wherever those that it stands for are."""


class OpenFile:
    """A duplicate of the application's descriptor, closed with its last user.

    Args:
        fd: The duplicate.
        table: Where it is found by those that come later.
        identity: What it is found by there; None if it is not.

    Attributes:
        fd: The same.
        users: How many parts of the file need it.
    """

    __slots__ = ("_identity", "_table", "fd", "users")

    def __init__(
        self, fd: int, table: dict[tuple[int, int], OpenFile], identity: tuple[int, int] | None
    ) -> None:
        self.fd = fd
        self.users = 0
        self._table = table
        self._identity = identity

    def leave(self) -> None:
        """One user less."""
        self.users -= 1
        if not self.users:
            if self._identity is not None:
                del self._table[self._identity]
            os.close(self.fd)


class FilePart:
    """What is left to send of a part of a regular file.

    Attributes:
        fd: A descriptor of our own, which it shares with other parts of the same file.
        offset: Where the next byte is.
        left: How many bytes are to be sent from there on.
    """

    __slots__ = ("_file", "fd", "left", "offset")

    def __init__(self, file: OpenFile, offset: int, left: int) -> None:
        self._file = file
        self.fd = file.fd
        self.offset = offset
        self.left = left

    def close(self) -> None:
        """Lets go of the descriptor; to be called once."""
        self._file.leave()


class Backlog:
    """A queue of bytes and parts of files, in the order of writing.

    Attributes:
        blocked: Whether the kernel has refused some of it, so that it will report when it takes more.
        in_memory: Bytes held here.
        in_files: Bytes that are still in files.
        peak: The most that ``in_memory`` has been.
        allowance: Bytes of files that may be offered to the kernel before the socket is next reported
            to be writable, so that a long file leaves room for the neighbours.
    """

    __slots__ = ("_behind", "_front", "allowance", "blocked", "in_files", "in_memory", "peak")

    def __init__(self, allowance: int = 0) -> None:
        self.blocked = False
        self.in_memory = 0
        self.in_files = 0
        self.peak = 0
        self.allowance = allowance
        self._front = LinkedListBuffer()
        # A file, and what comes after it; there is seldom one.
        self._behind: deque[LinkedListBuffer | FilePart] | None = None

    @property
    def buffered(self) -> int:
        """Bytes that wait, wherever they are."""
        return self.in_memory + self.in_files

    @property
    def held(self) -> int:
        """Bytes of memory that this takes."""
        return self.in_memory + (0 if self._behind is None else _PER_PART * len(self._behind))

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self.in_memory and self._behind is None

    @property
    def file(self) -> FilePart | None:
        """The file part that is next; None if bytes are, or nothing."""
        if self._behind is None or not self._front.is_empty:
            return None
        head = self._behind[0]
        assert isinstance(head, FilePart)
        return head

    def write(self, data: Buffer) -> int:
        """Appends bytes; see ``LinkedListBuffer.write``."""
        last = self._front
        if self._behind is not None:
            tail = self._behind[-1]
            if isinstance(tail, LinkedListBuffer):
                last = tail
            else:
                last = LinkedListBuffer()
                self._behind.append(last)
        n = last.write(data)
        self.in_memory += n
        if self.in_memory > self.peak:
            self.peak = self.in_memory
        return n

    def add_file(self, part: FilePart) -> None:
        """Appends a part of a file, and takes its descriptor over."""
        if self._behind is None:
            self._behind = deque()
        self._behind.append(part)
        self.in_files += part.left

    def prepend(self, chunk: Chunk) -> None:
        """Puts a chunk back in front of all; see ``LinkedListBuffer.prepend``."""
        self._front.prepend(chunk)
        self.in_memory += len(chunk)
        if self.in_memory > self.peak:
            self.peak = self.in_memory

    def pop_chunks(self, limit: int) -> list[Chunk]:
        """Removes chunks from the front, none if a file is next; see ``LinkedListBuffer.pop_chunks``."""
        held = self._front.buffered
        chunks = self._front.pop_chunks(limit)
        self.in_memory -= held - self._front.buffered
        return chunks

    def file_sent(self, n: int) -> None:
        """Takes so many bytes off the file that is next, and closes it if these were the last."""
        part = self.file
        assert part is not None and self._behind is not None
        part.offset += n
        part.left -= n
        self.in_files -= n
        self.allowance -= n
        if part.left:
            return
        self._behind.popleft()
        if self._behind and isinstance(self._behind[0], LinkedListBuffer):
            self._front = self._behind[0]
            self._behind.popleft()
        if not self._behind:
            self._behind = None
        part.close()

    def release(self) -> None:
        """Drops everything and closes the files."""
        behind, self._behind = self._behind, None
        self._front.release()
        self.in_memory = self.in_files = 0
        for part in behind or ():
            if isinstance(part, FilePart):
                part.close()
