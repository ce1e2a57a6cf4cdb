"""The callbacks and timers of the loop in C, where they can be had; their twin is asyncio's own loop.

The C makes objects of asyncio's own classes and keeps them where asyncio keeps them, so that either may go on
where the other has left off: in debug mode all is asyncio's.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import time
from asyncio import format_helpers
from typing import TYPE_CHECKING, Any

from netcore._native import COLD

if TYPE_CHECKING:
    from netcore._native._hot import Handles
    from netcore.aio.standard import LoopHandle, SelectorLoop

__all__ = ["FAST", "open_handles"]

FAST = ("call_soon", "call_at", "call_later")
"""Methods of a loop that C does instead."""

_KNOWN = frozenset(
    {
        "__weakref__",
        "_args",
        "_callback",
        "_cancelled",
        "_context",
        "_loop",
        "_repr",
        "_scheduled",
        "_source_traceback",
        "_when",
    }
)
"""What handles are made of. Should a Python add something, its own loop is used."""


def open_handles(loop: SelectorLoop) -> Handles | None:
    """Returns what runs the callbacks of a loop in C.

    Args:
        loop: Whose. If its class has methods or a clock of its own, these are heeded, and there is nothing.
    """
    kind = type(loop)
    slots: set[str] = {*asyncio.Handle.__slots__, *asyncio.TimerHandle.__slots__}
    own = any(getattr(kind, name) is not getattr(asyncio.BaseEventLoop, name) for name in (*FAST, "time"))
    if COLD or own or slots != _KNOWN:
        return None
    from netcore._native import _hot  # exists where the extension does

    def failed(handle: LoopHandle, error: BaseException) -> None:
        loop.call_exception_handler(_failure(handle, error))

    def compact() -> None:
        _compact(loop)

    functions = contextvars.copy_context, time.monotonic, failed, compact
    classes = asyncio.Handle, asyncio.TimerHandle
    return _hot.Handles(loop, loop._ready, classes, functions, loop._clock_resolution)


def _failure(handle: LoopHandle, error: BaseException) -> dict[str, Any]:
    """Says of a callback that has raised what ``asyncio.Handle`` says."""
    source = format_helpers._format_callback_source(handle._callback, handle._args)
    context = {"message": f"Exception in callback {source}", "exception": error, "handle": handle}
    if handle._source_traceback:
        context["source_traceback"] = handle._source_traceback
    return context


def _compact(loop: SelectorLoop) -> None:
    """Takes out all timers that are cancelled."""
    left = []
    for timer in loop._scheduled:
        if timer.cancelled():
            timer._scheduled = False
        else:
            left.append(timer)
    heapq.heapify(left)
    loop._scheduled = left
    loop._timer_cancelled_count = 0
