"""Noting a handler's callbacks in the trace."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netcore.handler import EventHandler

if TYPE_CHECKING:
    from netcore.handler import Conn
    from netcore.testing.simulation.trace import Trace

__all__ = ["NotedHandler"]

_PASSED_ON = ("on_eof", "on_writable", "on_tick")

_NOTED = {"on_open": "open", "on_traffic": "traffic", "on_timeout": "timeout"}
"""Callbacks that are given a connection alone, and what they are noted as."""


class NotedHandler(EventHandler):
    """Passes every callback on, and notes those that tell a story.

    Args:
        handler: What is called.
        trace: Where it is noted.
        host: The host's name.
        raised: Told of what callbacks raise, with the host and the connection's number.
    """

    def __init__(
        self,
        handler: EventHandler,
        trace: Trace,
        host: str,
        raised: Callable[[Exception, str, str], object],
    ) -> None:
        for name in _PASSED_ON:
            setattr(self, name, getattr(handler, name))
        for name, kind in _NOTED.items():
            setattr(self, name, _noted(getattr(handler, name), trace, host, kind))
        self.on_error = _with_error(handler.on_error, raised, host)  # type: ignore[method-assign]
        self.on_close = _with_end(handler.on_close, trace, host)  # type: ignore[method-assign]


def _noted(callback: Callable[..., Any], trace: Trace, host: str, kind: str) -> Callable[..., Any]:
    note = trace.add

    @functools.wraps(callback)
    def call(conn: Conn, *rest: object) -> Any:
        note(kind, host, "", "", f"#{conn.id}")
        return callback(conn, *rest)

    return call


def _with_error(
    callback: Callable[..., Any], raised: Callable[[Exception, str, str], object], host: str
) -> Callable[..., Any]:
    @functools.wraps(callback)
    def call(conn: Conn, error: Exception) -> Any:
        raised(error, host, f"#{conn.id}")
        return callback(conn, error)

    return call


def _with_end(callback: Callable[..., Any], trace: Trace, host: str) -> Callable[..., Any]:
    @functools.wraps(callback)
    def call(conn: Conn, error: Exception | None) -> Any:
        reason = conn.close_reason
        what = "" if reason is None else f" {reason.value}"
        why = "" if error is None else f" {type(error).__name__}"
        trace.add("close", host, detail=f"#{conn.id}{what}{why}")
        return callback(conn, error)

    return call
