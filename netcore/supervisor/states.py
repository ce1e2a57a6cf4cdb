"""The life of a process under a supervisor, as a table.

``TRANSITIONS`` is all there is to know: for each state the events that change it, and where they lead. What
is not in there changes nothing.
"""

from __future__ import annotations

import enum

__all__ = ["TRANSITIONS", "Event", "State"]


class State(enum.Enum):
    """Where a process is between its start and its end.

    Attributes:
        label: The state in words.
        ends: Whether its end was asked for, so that it surprises nobody.
    """

    BOOTING = "has not booted yet", False
    """It has been started, and its ``on_boot`` has not returned."""
    SERVING = "accepts connections", False
    """It accepts connections."""
    DRAINING = "lets its connections end", True
    """It accepts no more, and lets its connections end by themselves."""
    STOPPING = "was asked to end", True
    """It closes its connections, or gives up its boot."""
    KILLED = "was sent a signal", True
    """It was sent a signal that it cannot but die of."""
    GONE = "has ended", True
    """It has ended, and its status is known."""

    def __init__(self, label: str, ends: bool) -> None:
        self.label = label
        self.ends = ends


class Event(enum.Enum):
    """What moves a process on."""

    READY = "its on_boot has returned"
    RETIRE = "another one has taken its place, or its place is gone"
    STOP = "the supervisor stops"
    KILL = "it hangs, or has not ended in its time"
    EXIT = "it has ended"


_S, _E = State, Event

TRANSITIONS: dict[State, dict[Event, State]] = {
    _S.BOOTING: {
        _E.READY: _S.SERVING,
        _E.RETIRE: _S.STOPPING,
        _E.STOP: _S.STOPPING,
        _E.EXIT: _S.GONE,
    },
    _S.SERVING: {
        _E.RETIRE: _S.DRAINING,
        _E.STOP: _S.STOPPING,
        _E.KILL: _S.KILLED,
        _E.EXIT: _S.GONE,
    },
    _S.DRAINING: {
        _E.STOP: _S.STOPPING,
        _E.KILL: _S.KILLED,
        _E.EXIT: _S.GONE,
    },
    _S.STOPPING: {
        _E.KILL: _S.KILLED,
        _E.EXIT: _S.GONE,
    },
    _S.KILLED: {
        _E.EXIT: _S.GONE,
    },
    _S.GONE: {},
}
