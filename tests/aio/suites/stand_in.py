"""Puts netcore's event loop in the place of asyncio's own, for suites that know no other."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

from netcore.aio import EventLoop

_POLLERS = {"EpollSelector": "epoll", "KqueueSelector": "kqueue", "SelectSelector": "select"}
"""The poller that is nearest to each selector; for poll(2) there is none."""


class SelectorEventLoop(EventLoop):
    """Takes a selector, as asyncio's loop of that name, and closes it: this one has a poller."""

    def __init__(self, selector: Any = None) -> None:
        if selector is not None:
            selector.close()
        super().__init__(_POLLERS.get(type(selector).__name__))


SelectorEventLoop.__module__ = (
    "asyncio.unix_events"  # by which suites tell asyncio's loops, and what these lack
)


def stand_in(loop: str) -> None:
    """From now on in this process loops are others than the suite thinks.

    Args:
        loop: ``netcore`` for netcore's, by whatever name asyncio, uvloop or a suite makes them; ``asyncio``
            for asyncio's in the place of uvloop's; ``stock`` for no change.
    """
    if loop == "netcore":
        _replace_asyncios()
        _replace_uvloops(SelectorEventLoop)
    elif loop == "asyncio":
        _replace_uvloops(asyncio.SelectorEventLoop)


def _replace_asyncios() -> None:
    from asyncio import unix_events

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        policy: Any = asyncio.DefaultEventLoopPolicy
    policy._loop_factory = SelectorEventLoop
    for module in (asyncio, unix_events):
        for name in ("SelectorEventLoop", "_UnixSelectorEventLoop", "EventLoop"):
            if hasattr(module, name):
                setattr(module, name, SelectorEventLoop)


def _replace_uvloops(kind: Any) -> None:
    try:
        import uvloop
    except ImportError:
        return
    uvloop.Loop = kind  # what all of uvloop's functions make
