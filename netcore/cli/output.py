"""Standard output that may go nowhere: a reader that has left, or a disk that is full."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["BROKEN_PIPE", "OutputError", "flush", "flush_errors", "say", "survive_unread"]

BROKEN_PIPE = 141
"""The exit status of what ends because nobody reads it: 128 + SIGPIPE, as a shell has it of other tools."""

_UNREAD = (errno.EPIPE, errno.EINVAL)  # Windows says EINVAL


class OutputError(Exception):
    """What was to be said cannot be written; the error is the cause.

    Attributes:
        unread: Whether that is because nobody reads it any more, of which there is nothing to be said.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write to standard output: {error.strerror or error}")
        self.unread = error.errno in _UNREAD


def say(text: str, end: str = "\n") -> None:
    """Prints at once; see ``print``.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        print(text, end=end, flush=True)
    except OSError as error:
        _give_up(sys.stdout)
        raise OutputError(error) from error


def flush() -> None:
    """Writes what others have printed, before the interpreter does and complains.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        if sys.stdout is not None:  # which it is for a process that was started without
            sys.stdout.flush()
    except OSError as error:
        _give_up(sys.stdout)
        raise OutputError(error) from error


def flush_errors() -> None:
    """Writes what is left for standard error, or drops it, since Python would make a status of that."""
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        _give_up(sys.stderr)


class _Unread(io.FileIO):
    """A file that nobody may read: what cannot be written for that is gone."""

    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            with memoryview(data) as view:
                return view.nbytes


def survive_unread() -> None:
    """Lets standard output take everything from now on, whether or not somebody reads it.

    For a server: that whoever looked at what it prints has left is no reason to stop, or to fail in
    ``on_boot``.
    """
    stream = sys.stdout
    if stream is None or stream is not sys.__stdout__ or not isinstance(stream, io.TextIOWrapper):
        return
    stream.flush()
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Unread(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _give_up(stream: TextIO) -> None:
    """Lets a standard stream lead nowhere, since the interpreter would flush it once more at its end."""
    with suppress(OSError, ValueError):  # a stand-in for the stream may have no descriptor
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
