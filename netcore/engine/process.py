"""What the end of the process, and a fork of it, mean for the engines that run in it."""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Iterable
from typing import Protocol

__all__ = ["track"]


class _Tracked(Protocol):
    """What is asked of an engine."""

    def request_stop(self) -> None: ...

    def stop_in_time(self) -> bool: ...

    def end_hosted(self) -> None: ...

    def abandon(self) -> None: ...


class _Log(Protocol):
    """What is asked of what engines log to."""

    def end(self) -> None: ...


_engines: weakref.WeakSet[_Tracked] = weakref.WeakSet()
_logs: weakref.WeakSet[_Log] = weakref.WeakSet()  # a handler that hangs may outlast its engine


def track(engine: _Tracked, logs: Iterable[_Log]) -> None:
    """Has a started engine stopped when the interpreter ends, and made inert in a forked child."""
    _engines.add(engine)
    _logs.update(logs)


def _stop_all() -> None:
    """Stops what still runs, so that each connection has its ``on_close``, and socket files go.

    The threads of loops are daemons: without this they would be cut off in the midst of a callback. One that
    hangs is cut off after all: what an engine has, it has from when it began to stop.
    """
    engines = list(_engines)
    for engine in engines:
        engine.request_stop()
    for engine in engines:
        engine.stop_in_time()
    for engine in engines:
        engine.end_hosted()  # those that are stopping, too: nobody gives them a turn any more
    for log in list(_logs):
        log.end()


def _abandon_all() -> None:
    """Only the forking thread lives on in the child, and the sockets and pollers are the parent's."""
    for engine in list(_engines):
        engine.abandon()


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
