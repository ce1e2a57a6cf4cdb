"""What is to be sent of a file, and from where: its part of the page cache, or what reading it gives.

A regular file waits as a descriptor and two numbers, and goes from the page cache to the socket by
sendfile(2) when everything before it has left. So a file of any size takes no memory, and counts for the
water marks but not for the hard limit.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from typing import BinaryIO

from netcore._platform import read_at
from netcore.connection.stream.backlog import FilePart
from netcore.sockets import Chunk

__all__ = ["check", "copy", "extract"]

_PIECE = 65536
"""Bytes read at once from what is no regular file."""

_SMALL = 16384
"""Up to so many bytes are read at once and join the turn's batch: that takes fewer system calls."""


def check(file: object, offset: int, count: int | None) -> None:
    """Checks the arguments of ``Conn.sendfile``.

    Raises:
        TypeError: It is no file, or one open in text mode.
        ValueError: A number is negative.
        io.UnsupportedOperation: It is not open for reading.
    """
    if not hasattr(file, "read"):
        raise TypeError(f"sendfile needs a file object, not {file!r}")
    if isinstance(file, io.TextIOBase):
        raise TypeError(f"sendfile needs a file opened in binary mode, not {file!r}")
    if offset < 0 or (count is not None and count < 0):
        raise ValueError(f"offset and count must not be negative, and they are {offset} and {count}")
    if not _can(file, "readable"):
        raise io.UnsupportedOperation(f"{file!r} is not readable")


def extract(file: BinaryIO, offset: int, count: int | None) -> FilePart | bytes | None:
    """Takes a part of a regular file: its bytes if they are few, else a descriptor of our own.

    Returns:
        None if it must be read to know what is in it; see ``copy``.
    """
    size = _regular_size(file)
    if size is None:
        return None
    n = max(size - offset, 0)
    if count is not None and count < n:
        n = count
    if n <= _SMALL:
        return read_at(file.fileno(), n, offset) if n else b""
    return FilePart(os.dup(file.fileno()), offset, n)


def copy(file: BinaryIO, offset: int, count: int | None, write: Callable[[Chunk], int]) -> int:
    """Writes what is no regular file, a pipe or bytes in memory, which can only be read here and now."""
    position = file.tell() if _can(file, "seekable") else None
    if position is not None:
        file.seek(offset)
    elif offset:
        raise io.UnsupportedOperation(f"{file!r} cannot be sent from byte {offset} on: it has no position")
    total = 0
    try:
        while count is None or total < count:
            piece = file.read(_PIECE if count is None else min(_PIECE, count - total))
            if not piece:
                break
            total += write(piece)
    finally:
        if position is not None:
            file.seek(position)
    return total


def _can(file: object, what: str) -> bool:
    """Asks a file, taking yes for the answer of those that have not got the question."""
    ask = getattr(file, what, None)
    return ask is None or bool(ask())


def _regular_size(file: BinaryIO) -> int | None:
    """Returns the size of a regular file, or None if it must be read to know what is in it.

    An object that has a descriptor but decodes what it reads, such as a GzipFile, must be read; so must a
    file that claims to be empty, since those of /proc do.
    """
    if not isinstance(getattr(file, "raw", file), io.FileIO):
        return None
    if file.writable():
        file.flush()
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) and status.st_size else None
