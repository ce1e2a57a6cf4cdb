"""What of asyncio and of executors is otherwise while a world runs; see ``simulation.outside``."""

from __future__ import annotations

import asyncio
import asyncio.tasks
import functools
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from netcore._machine import current
from netcore.testing.simulation.coroutines import executors
from netcore.testing.simulation.coroutines.numbered import in_order

__all__ = ["Make", "stand_ins"]

Make = Callable[[Any], Any]
"""Makes a stand-in of what was there."""


def stand_ins(thread: int) -> list[tuple[Any, str, Make]]:
    """Lists what is replaced: where, its name, and what makes the stand-in.

    Args:
        thread: That of the world; on others everything is as ever.
    """
    found: list[tuple[Any, str, Make]] = [
        (ThreadPoolExecutor, "submit", _on_host(thread, executors.submit)),
        (ThreadPoolExecutor, "shutdown", _on_host(thread, executors.shutdown)),
    ]
    for module in (asyncio, asyncio.tasks):
        found.append((module, "all_tasks", _all_tasks(thread)))
        found.append((module, "as_completed", _with_tasks(thread)))
        if sys.version_info < (3, 11):  # from then on it takes no coroutines
            found.append((module, "wait", _with_tasks(thread)))
    return found


def _on_host(thread: int, stand_in: Callable[..., Any]) -> Make:
    """On a host the stand-in."""

    def make(before: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(before)
        def call(*args: Any, **named: Any) -> Any:
            if threading.get_ident() == thread and current().simulated:
                return stand_in(*args, **named)
            return before(*args, **named)

        return call

    return make


def _all_tasks(thread: int) -> Make:
    """Has a set of tasks that depends on nothing but these: other loops have tasks, and a set a history."""

    def make(before: Callable[..., set[Any]]) -> Callable[..., set[Any]]:
        @functools.wraps(before)
        def all_tasks(loop: asyncio.AbstractEventLoop | None = None) -> set[Any]:
            found = before(loop)
            return set(in_order(found)) if threading.get_ident() == thread else found

        return all_tasks

    return make


def _with_tasks(thread: int) -> Make:
    """Makes tasks of coroutines in their order, before they are put into a set."""

    def make(before: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(before)
        def call(fs: Iterable[Any], *args: Any, **named: Any) -> Any:
            if threading.get_ident() == thread and not asyncio.isfuture(fs) and not asyncio.iscoroutine(fs):
                fs = [asyncio.ensure_future(each) for each in dict.fromkeys(fs)]
            return before(fs, *args, **named)

        return call

    return make
