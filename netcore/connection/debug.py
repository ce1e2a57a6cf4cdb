"""A connection that checks on which thread it is used; for ``Options.debug``."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from netcore.connection.stream import StreamConnection
from netcore.errors import WrongThreadError

__all__ = ["CheckedStreamConnection"]

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


class CheckedStreamConnection(StreamConnection):
    """Raises ``WrongThreadError`` where a method of the loop's thread is called on another one."""

    __slots__ = ()

    def check_thread(self, name: str) -> None:
        """Raises unless this is the loop's thread.

        Raises:
            WrongThreadError: Naming what was called, and on which thread.
        """
        if not self._host.in_loop():
            raise WrongThreadError(
                f"{name} of connection {self.id} was called on thread {threading.current_thread().name!r}: "
                f"it belongs to loop {self._host.index}; use async_write or loop.execute"
            )


def _checked(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: CheckedStreamConnection, *args: Any, **kwargs: Any) -> Any:
        self.check_thread(name)
        return method(self, *args, **kwargs)

    return call


for _name in _LOOP_ONLY:
    setattr(CheckedStreamConnection, _name, _checked(_name, getattr(StreamConnection, _name)))
for _name in _LOOP_ONLY_PROPERTIES:
    _getter = getattr(StreamConnection, _name).fget
    setattr(CheckedStreamConnection, _name, property(_checked(_name, _getter), doc=_getter.__doc__))
