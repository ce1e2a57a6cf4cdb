"""What is waited for, in words: functions, tasks, and the connections, dials and timers of a loop."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from netcore.eventloop import Loop
    from netcore.handler import Conn
    from netcore.testing.simulation.net.kernel import Kernel
    from netcore.testing.simulation.scheduler import Planned

__all__ = ["loop_waits", "place_of", "planned_as", "some", "task_waits"]

_MOST = 10
"""So many of a kind are shown; the others are counted."""


def some(lines: list[str], what: str) -> Iterator[str]:
    """Shows the first of several, and counts the others.

    Args:
        lines: One for each.
        what: What they are, in the plural.
    """
    yield from lines[:_MOST]
    if len(lines) > _MOST:
        yield f"... and {len(lines) - _MOST} more {what}"


def place_of(function: Callable[..., object]) -> str:
    """Returns what a function is called and where it is, such as ``"Server.retry (server.py:12)"``."""
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    inner = inspect.unwrap(inner)
    inner = getattr(inner, "__func__", inner)
    code = getattr(inner, "__code__", None)
    name = getattr(inner, "__qualname__", type(inner).__qualname__).rpartition("<locals>.")[2]
    return f"{name} ({_line(code, code.co_firstlineno)})" if isinstance(code, CodeType) else name


def _line(code: CodeType, number: int) -> str:
    return f"{Path(code.co_filename).name}:{number}"


def task_waits(task: asyncio.Task[Any]) -> str:
    """Says in which line of its program a task of asyncio waits, and for what.

    Of the coroutines that await each other it is the innermost of the program's own, not of asyncio.
    """
    place = ""
    waiting: Any = task.get_coro()
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is not None and not (place and frame.f_globals.get("__name__", "").startswith("asyncio")):
            place = f"{frame.f_code.co_name} ({_line(frame.f_code, frame.f_lineno)})"
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None)
    begun = getattr(task.get_coro(), "cr_await", None) is not None
    return f"task {task.get_name()} {'waits' if begun else 'is to go on'} in {place}"


def planned_as(planned: Planned) -> str:
    """Says what is going to happen, and when."""
    function, args = planned.what
    owner = getattr(function, "__self__", None)
    of = getattr(owner, "title", None) or getattr(owner, "flow", None)
    what = "nothing" if function is None else place_of(function)
    shown = [repr(each) for each in args if isinstance(getattr(each, "at", None), (int, float))]
    return f"{planned.when:.6f} s: {' '.join([what, *([f'of {of}'] if of else []), *shown])}"


def loop_waits(loop: Loop, kernel: Kernel, when: Callable[[float], float]) -> Iterator[str]:
    """Says what the connections, the dials and the timers of a loop wait for.

    Args:
        loop: Of an engine.
        kernel: Of its host.
        when: Turns a time of the loop's clock into virtual seconds.
    """
    troubled: list[str] = []
    idle: list[str] = []
    for conn in loop.connections():
        trouble = _trouble_of(conn, kernel)
        told = f"connection #{conn.id} with {conn.remote_address}: {trouble or 'it waits for its peer'}"
        (troubled if trouble else idle).append(told)
    yield from some(troubled + idle, "connections")
    yield from some([f"dial of {address} is under way" for address in loop.dial_targets], "dials")
    calls = [f"timer at {when(due):.6f} s: {place_of(function)}" for due, function in loop.upcoming()]
    yield from some(calls, "timers")


def _trouble_of(conn: Conn, kernel: Kernel) -> str:
    """Says what is the matter with a connection; empty if it but waits for its peer."""
    parts = []
    if conn.outbound_buffered:
        parts.append(f"{conn.outbound_buffered} bytes wait for the kernel")
    if conn.paused:
        parts.append("reading is paused")
    if conn.inbound_buffered:
        parts.append(f"{conn.inbound_buffered} bytes were left unread by its handler")
    try:
        below = kernel.endpoint(conn.fd).waits()
    except OSError:
        below = ""
    if below:
        parts.append(below)
    return "; ".join(parts)
