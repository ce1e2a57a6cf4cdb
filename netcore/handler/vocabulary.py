"""The words in which a handler and the framework talk about a connection."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

__all__ = ["Action", "CloseReason", "Timeout"]


class Action(enum.IntEnum):
    """What to do after a callback; returning None means NONE."""

    NONE = 0
    CLOSE = 1
    """Close the connection: send what is buffered, then FIN."""
    SHUTDOWN = 2
    """Stop the whole engine, gracefully."""


class CloseReason(enum.Enum):
    """What ended a connection."""

    if not TYPE_CHECKING:  # for which it is what it would be without
        __hash__ = object.__hash__  # in C, as for Timeout: the ends of connections are counted by it

    LOCAL = "local"
    """This side closed or aborted it."""
    EOF = "eof"
    """The peer sent FIN, and this side closed in answer."""
    ERROR = "error"
    """The system reported an error, such as a reset, or a callback raised an exception."""
    TIMEOUT = "timeout"
    """A deadline passed."""
    SHUTDOWN = "shutdown"
    """The engine stopped."""
    OVERFLOW = "overflow"
    """More than ``Options.max_outbound`` waited for the peer, or ``max_inbound`` for the handler."""


class Timeout(enum.Enum):
    """Which deadline was met; see the methods of ``Conn`` that set them."""

    if not TYPE_CHECKING:
        __hash__ = object.__hash__  # in C: deadlines look these up on every round of the wheel

    IDLE = "idle"
    """No byte went either way."""
    READ = "read"
    """No byte was received."""
    WRITE = "write"
    """Output was waiting, and the peer took none of it."""
