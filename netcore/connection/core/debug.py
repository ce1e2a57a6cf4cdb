"""The check that a connection is used on its own thread; for ``Options.debug``."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from netcore.errors import WrongThreadError
from netcore.handler import Conn

__all__ = ["LOOP_ONLY", "LOOP_ONLY_PROPERTIES", "checking", "glance"]

LOOP_ONLY: Final = (
    "read",
    "read_into",
    "peek",
    "next",
    "discard",
    "write_to",
    "write",
    "writev",
    "read_from",
    "sendfile",
    "send_to",
    "flush",
    "shutdown_write",
    "start_tls",
    "set_deadline",
    "set_read_deadline",
    "set_write_deadline",
)
LOOP_ONLY_PROPERTIES: Final = ("inbound_buffered", "outbound_buffered", "tls_session", "writable")


_ClassT = TypeVar("_ClassT", bound=type)


def _check_thread(conn: Conn, name: str) -> None:
    """Raises unless this is the thread of the connection's loop.

    Raises:
        WrongThreadError: Naming what was called, and on which thread.
    """
    if not conn.loop.in_loop():
        raise WrongThreadError(
            f"{name} of connection {conn.id} was called on thread {threading.current_thread().name!r}: "
            f"it belongs to loop {conn.loop.index}; use async_write or loop.execute"
        )


def _checked(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Conn, *args: Any, **kwargs: Any) -> Any:
        _check_thread(self, name)
        return method(self, *args, **kwargs)

    return call


def checking(cls: _ClassT) -> _ClassT:
    """Puts the check before each method of a class that belongs to the loop's thread; a decorator."""
    for name in LOOP_ONLY:
        setattr(cls, name, _checked(name, getattr(cls, name)))
    for name in LOOP_ONLY_PROPERTIES:
        getter = getattr(cls, name).fget
        setattr(cls, name, property(_checked(name, getter), doc=getter.__doc__))
    return cls


def glance(conn: Conn, name: str) -> Any:
    """Reads one of the sizes that are the loop's, on any thread, for whom it may change at any moment."""
    getter = getattr(getattr(type(conn), name), "fget", None)
    unchecked = getattr(getter, "__wrapped__", None)
    return getattr(conn, name) if unchecked is None else unchecked(conn)
