"""Standard output that may go nowhere: a reader that has left, or a disk that is full."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress

__all__ = ["BROKEN_PIPE", "OutputError", "flush", "say"]

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
        _give_up()
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
        _give_up()
        raise OutputError(error) from error


def _give_up() -> None:
    """Lets standard output lead nowhere, since the interpreter would flush it once more at its end."""
    with suppress(OSError, ValueError):  # a stand-in for the stream may have no descriptor
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
