"""The life of a stream connection, as a table.

``TRANSITIONS`` is all there is to know: for each state the events it allows and where they lead.
"""

from __future__ import annotations

import enum

__all__ = ["TRANSITIONS", "Event", "State"]


class State(enum.Enum):
    """Where a stream connection is between its first byte and its last.

    Attributes:
        label: The state in words.
        receives: Whether what the peer sends is still delivered.
        writes: Whether the application may write.
        drops_output: Whether unsent output has nowhere to go any more.
    """

    __hash__ = object.__hash__  # in C; that of Enum is Python, and each transition hashes several times

    OPEN = "open", True, True, False
    """Both directions work."""
    PEER_CLOSED = "half-closed by the peer", False, True, False
    """The peer's FIN has come; this side may go on writing."""
    SHUTTING = "shutting its writing half", True, False, False
    """This side's FIN is owed, behind output that is still buffered; the peer may go on sending."""
    WRITE_SHUT = "half-closed by this side", True, False, False
    """This side's FIN is sent; the peer may go on sending."""
    CLOSING = "closing", False, False, False
    """Being closed, as soon as the buffered output is sent; what the peer sends is not read any more."""
    FAILED = "broken", True, False, True
    """A write failed or the socket has an error: it is dead; what the peer sent before is still delivered."""
    CLOSED = "closed", False, False, True
    """Over. The descriptor is closed at the end of the turn, and ``on_close`` runs."""

    def __init__(self, label: str, receives: bool, writes: bool, drops_output: bool) -> None:
        self.label = label
        self.receives = receives
        self.writes = writes
        self.drops_output = drops_output


class Event(enum.Enum):
    """What moves a connection on."""

    __hash__ = object.__hash__

    PEER_FIN = "the peer's FIN"
    SHUTDOWN_WRITE = "shutdown_write()"
    CLOSE = "close()"
    FLUSHED = "all output sent"
    WRITE_ERROR = "an error in sending, or of the socket"
    READ_ERROR = "an error in receiving"
    ABORT = "abort(), or a time-out"


_S, _E = State, Event

TRANSITIONS: dict[State, dict[Event, State]] = {
    _S.OPEN: {
        _E.PEER_FIN: _S.PEER_CLOSED,
        _E.SHUTDOWN_WRITE: _S.SHUTTING,
        _E.CLOSE: _S.CLOSING,
        _E.WRITE_ERROR: _S.FAILED,
        _E.READ_ERROR: _S.CLOSED,
        _E.ABORT: _S.CLOSED,
    },
    _S.PEER_CLOSED: {
        _E.SHUTDOWN_WRITE: _S.CLOSING,
        _E.CLOSE: _S.CLOSING,
        _E.WRITE_ERROR: _S.CLOSED,
        _E.ABORT: _S.CLOSED,
    },
    _S.SHUTTING: {
        _E.PEER_FIN: _S.CLOSING,
        _E.SHUTDOWN_WRITE: _S.SHUTTING,
        _E.FLUSHED: _S.WRITE_SHUT,
        _E.CLOSE: _S.CLOSING,
        _E.WRITE_ERROR: _S.FAILED,
        _E.READ_ERROR: _S.CLOSED,
        _E.ABORT: _S.CLOSED,
    },
    _S.WRITE_SHUT: {
        _E.PEER_FIN: _S.CLOSING,
        _E.SHUTDOWN_WRITE: _S.WRITE_SHUT,
        _E.CLOSE: _S.CLOSING,
        _E.WRITE_ERROR: _S.FAILED,
        _E.READ_ERROR: _S.CLOSED,
        _E.ABORT: _S.CLOSED,
    },
    _S.CLOSING: {
        _E.CLOSE: _S.CLOSING,
        _E.FLUSHED: _S.CLOSED,
        _E.WRITE_ERROR: _S.CLOSED,
        _E.ABORT: _S.CLOSED,
    },
    _S.FAILED: {
        _E.PEER_FIN: _S.CLOSED,
        _E.CLOSE: _S.CLOSED,
        _E.READ_ERROR: _S.CLOSED,
        _E.ABORT: _S.CLOSED,
    },
    _S.CLOSED: {
        _E.CLOSE: _S.CLOSED,
        _E.ABORT: _S.CLOSED,
    },
}
