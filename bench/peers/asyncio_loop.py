"""The loop a peer runs on that is written for asyncio: all that such peers differ in."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


def run(loop: str, main: Coroutine[Any, Any, _T]) -> _T:
    """Runs a coroutine on the loop of "netcore.aio", "uvloop" or "asyncio"."""
    if loop == "netcore.aio":
        import netcore.aio

        return netcore.aio.run(main)
    if loop == "uvloop":
        import uvloop

        return uvloop.run(main)
    if loop != "asyncio":
        raise ValueError(f"nobody has a loop called {loop!r}")
    return asyncio.run(main)
