"""Keeping logging handlers that block from keeping the process.

A handler that blocks has its lock, for which ``logging.shutdown`` waits at the end of the process. So a pipe
or terminal is waited for before, with nothing held; and what blocks all the same loses its lock in the end.
"""

from __future__ import annotations

import logging
import select
from collections.abc import Iterator
from typing import Any

__all__ = ["await_room", "unlock"]

_select: Any = select  # which has no poll on Windows


def await_room(logger: logging.Logger, record: logging.LogRecord) -> None:
    """Waits while a pipe or terminal that a record is about to go to is full; poll(2), where there is one."""
    if not hasattr(select, "poll"):
        return
    for handler in _handlers_of(logger):
        if isinstance(handler, logging.StreamHandler) and record.levelno >= handler.level:
            _await_writable(handler.stream)


def unlock(logger: logging.Logger) -> None:
    """Gives new locks to the handlers that are in use, as after a fork: whoever has the old ones hangs."""
    for handler in _handlers_of(logger):
        lock = handler.lock
        if lock is not None:
            if lock.acquire(blocking=False):
                lock.release()
            else:
                handler.createLock()


def _handlers_of(logger: logging.Logger) -> Iterator[logging.Handler]:
    """Yields what ``logging.Logger.callHandlers`` calls."""
    each: logging.Logger | None = logger
    found = False
    while each is not None:
        for handler in list(each.handlers):
            found = True
            yield handler
        each = each.parent if each.propagate else None
    if not found and logging.lastResort is not None:
        yield logging.lastResort


def _await_writable(stream: object) -> None:
    try:
        fd: int = stream.fileno()  # type: ignore[attr-defined]
        room = _select.poll()
        room.register(fd, _select.POLLOUT)
    except Exception:  # it is closed, or somebody's object without a descriptor
        return
    room.poll()
