"""Connections that check on which thread they are used; for ``Options.debug``."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from netcore.connection.datagram.answer import DatagramConn
from netcore.connection.datagram.connection import DatagramConnection
from netcore.connection.stream.connection import StreamConnection
from netcore.errors import WrongThreadError
from netcore.handler import Conn

__all__ = ["CheckedDatagramConn", "CheckedDatagramConnection", "CheckedStreamConnection"]

_LOOP_ONLY = (
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
    "set_deadline",
    "set_read_deadline",
    "set_write_deadline",
)
_LOOP_ONLY_PROPERTIES = ("inbound_buffered", "outbound_buffered", "writable")


_ClassT = TypeVar("_ClassT", bound=type)


def check_thread(conn: Conn, name: str) -> None:
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
        check_thread(self, name)
        return method(self, *args, **kwargs)

    return call


def _checking(cls: _ClassT) -> _ClassT:
    """Puts the check before each of the methods that belong to the loop's thread."""
    for name in _LOOP_ONLY:
        setattr(cls, name, _checked(name, getattr(cls, name)))
    for name in _LOOP_ONLY_PROPERTIES:
        getter = getattr(cls, name).fget
        setattr(cls, name, property(_checked(name, getter), doc=getter.__doc__))
    return cls


@_checking
class CheckedStreamConnection(StreamConnection):
    """Raises ``WrongThreadError`` where a method of the loop's thread is called on another one."""

    __slots__ = ()


@_checking
class CheckedDatagramConn(DatagramConn):
    """The same for the datagrams of a server."""

    __slots__ = ()


@_checking
class CheckedDatagramConnection(DatagramConnection):
    """The same for dialled datagram connections."""

    __slots__ = ()
