"""Running a coroutine from beginning to end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from netcore.aio.loop import EventLoop, OpensPoller

__all__ = ["run"]

_T = TypeVar("_T")


def run(main: Coroutine[Any, Any, _T], *, poller: OpensPoller = None, debug: bool | None = None) -> _T:
    """Does what ``asyncio.run`` does, on an event loop of this package.

    Args:
        main: What to run.
        poller: See ``EventLoop``.
        debug: See ``asyncio.run``.

    Raises:
        RuntimeError: An event loop is running in this thread.
    """
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("netcore.aio.run() cannot be called from a running event loop")
    if sys.version_info >= (3, 11):
        with asyncio.Runner(debug=debug, loop_factory=lambda: EventLoop(poller)) as runner:
            return runner.run(main)
    else:
        return _run(main, poller, debug)


def _run(main: Coroutine[Any, Any, _T], poller: OpensPoller, debug: bool | None) -> _T:
    """Does it where asyncio has no ``Runner`` yet, which is Python 3.10."""
    if not asyncio.iscoroutine(main):
        raise ValueError(f"a coroutine was expected, got {main!r}")
    loop = EventLoop(poller)
    try:
        asyncio.set_event_loop(loop)
        if debug is not None:
            loop.set_debug(debug)
        return loop.run_until_complete(main)
    finally:
        try:
            _cancel_all(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def _cancel_all(loop: EventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            loop.call_exception_handler(
                {
                    "message": "unhandled exception during asyncio.run() shutdown",
                    "exception": error,
                    "task": task,
                }
            )
