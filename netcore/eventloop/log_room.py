"""Waiting until what a log goes to takes more, with nothing held meanwhile.

A logging handler that blocks in a write has its lock. ``logging.shutdown`` waits for that at the end of the
process, and so the process would not end.
"""

from __future__ import annotations

import logging
import select
from collections.abc import Iterator

__all__ = ["await_room"]


def await_room(logger: logging.Logger, record: logging.LogRecord) -> None:
    """Waits while a pipe or terminal that a record is about to go to is full; poll(2), where there is one."""
    if not hasattr(select, "poll"):
        return
    for handler in _handlers_of(logger):
        if isinstance(handler, logging.StreamHandler) and record.levelno >= handler.level:
            _await_writable(handler.stream)


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
        room = select.poll()
        room.register(fd, select.POLLOUT)
    except Exception:  # it is closed, or somebody's object without a descriptor
        return
    room.poll()
