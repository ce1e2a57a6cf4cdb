"""What is to be sent of a file, and from where: its part of the page cache, or what reading it gives.

A regular file waits as a descriptor and two numbers, and goes from the page cache to the socket by
sendfile(2) when everything before it has left. So a file of any size takes no memory, and counts for the
water marks but not for the hard limit.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable
from typing import BinaryIO

from netcore._arguments import check_method, size_of
from netcore._platform import read_at
from netcore.connection.stream.backlog import FilePart, OpenFile
from netcore.sockets import Chunk

__all__ = ["OpenFiles", "check", "check_readable", "copy", "extract"]

_PIECE = 65536
"""Bytes read at once from what is no regular file."""

_SMALL = 16384
"""Up to so many bytes are read at once and join the turn's batch: that takes fewer system calls."""


class OpenFiles:
    """The files of which a loop's connections are sending, each with one descriptor. The loop's thread.

    The application may close its own at once, and the number be used again for something else. What a file
    is, its device and inode tell (fstat(2)); while ours is open that inode is not given to another.
    """

    def __init__(self) -> None:
        self._by_identity: dict[tuple[int, int], OpenFile] = {}

    def __len__(self) -> int:
        return len(self._by_identity)

    def join(self, fd: int, status: os.stat_result) -> OpenFile:
        """Finds or makes what is shared of a file, and counts one user more.

        Args:
            fd: The application's descriptor of it, open for reading.
            status: What fstat(2) says of that.

        Raises:
            OSError: There is no descriptor left.
        """
        # A file system that numbers nothing, as there are on Windows, gives zeros.
        identity = (status.st_dev, status.st_ino) if status.st_ino else None
        file = None if identity is None else self._by_identity.get(identity)
        if file is None:
            file = OpenFile(os.dup(fd), self._by_identity, identity)
            if identity is not None:
                self._by_identity[identity] = file
        file.users += 1
        return file


def check(file: object, offset: object, count: object) -> tuple[int, int | None]:
    """Checks the arguments of ``Conn.sendfile``.

    Returns:
        The offset and the count as ints, no larger than any file.

    Raises:
        TypeError: It is no file, or one open in text mode; or a number is not whole.
        ValueError: A number is negative.
        io.UnsupportedOperation: It is not open for reading.
    """
    check_readable(file)
    numbers = _bounded(offset, "offset"), None if count is None else _bounded(count, "count")
    if not _can(file, "readable"):
        raise io.UnsupportedOperation(f"{file!r} is not readable")
    return numbers


def check_readable(file: object) -> None:
    """Raises TypeError unless this is a file, or like one, that gives bytes."""
    check_method(file, "read")
    if isinstance(file, io.TextIOBase):
        raise TypeError(f"a file opened in binary mode is needed, not {file!r}")


def _bounded(number: object, what: str) -> int:
    """Returns a number of bytes; what is more than any file has is as good as the most."""
    return min(size_of(number, what, None), sys.maxsize)


def extract(file: BinaryIO, offset: int, count: int | None, open_files: OpenFiles) -> FilePart | bytes | None:
    """Takes a part of a regular file: its bytes if they are few, else a descriptor of our own.

    Args:
        file: What ``check`` has passed.
        offset: See ``Conn.sendfile``.
        count: See there.
        open_files: Where the descriptor is kept.

    Returns:
        None if it must be read to know what is in it; see ``copy``.
    """
    status = _status_of_regular(file)
    if status is None:
        return None
    n = max(status.st_size - offset, 0)
    if count is not None and count < n:
        n = count
    if n <= _SMALL:
        return read_at(file.fileno(), n, offset) if n else b""
    return FilePart(open_files.join(file.fileno(), status), offset, n)


def copy(file: BinaryIO, offset: int, count: int | None, write: Callable[[Chunk], int]) -> int:
    """Writes what is no regular file, a pipe or bytes in memory, which can only be read here and now."""
    position = file.tell() if hasattr(file, "tell") and _can(file, "seekable") else None
    if position is not None:
        file.seek(offset)
    elif offset:
        raise io.UnsupportedOperation(f"{file!r} cannot be sent from byte {offset} on: it has no position")
    total = 0
    try:
        while count is None or total < count:
            wanted = _PIECE if count is None else min(_PIECE, count - total)
            piece = file.read(wanted)
            if not piece:
                break
            if count is not None:
                with memoryview(piece) as view:
                    if view.nbytes > wanted:
                        raise ValueError(f"read({wanted}) returned {view.nbytes} bytes")
            total += write(piece)
    finally:
        if position is not None:
            file.seek(position)
    return total


def _can(file: object, what: str) -> bool:
    """Asks a file, taking yes for the answer of those that have not got the question."""
    ask = getattr(file, what, None)
    return ask is None or bool(ask())


def _status_of_regular(file: BinaryIO) -> os.stat_result | None:
    """Returns the status of a regular file, or None if it must be read to know what is in it.

    An object that has a descriptor but decodes what it reads, such as a GzipFile, must be read; so must a
    file that claims to be empty, since those of /proc do.
    """
    if not isinstance(getattr(file, "raw", file), io.FileIO):
        return None
    if file.writable():
        file.flush()
    status = os.fstat(file.fileno())
    return status if stat.S_ISREG(status.st_mode) and status.st_size else None
