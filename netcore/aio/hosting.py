"""What the engine asks of this package, which it looks up by name; see ``netcore.engine.guests``."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from netcore._durations import seconds
from netcore.address import Address
from netcore.aio.handler import AsyncHandler
from netcore.aio.hosted import open_guest
from netcore.errors import UnsupportedProtocolError

__all__ = ["check", "open_guest"]


def check(handler: object, addresses: Sequence[Address]) -> None:
    """Checks an ``AsyncHandler`` before anything is bound.

    Raises:
        TypeError: Its ``serve`` is no coroutine function, or it has none; or its ``grace`` or ``limit`` is no
            number.
        ValueError: Its ``grace`` is negative, or not a number (nan).
        UnsupportedProtocolError: An address is for datagrams.
    """
    if not isinstance(handler, AsyncHandler):
        return
    serve = handler.serve
    name = type(handler).__name__
    if getattr(serve, "__func__", None) is AsyncHandler.serve:
        raise TypeError(f"{name} has no serve of its own: write an async def serve(self, stream)")
    if not inspect.iscoroutinefunction(serve):
        wrong = "yields" if inspect.isasyncgenfunction(serve) else "is no coroutine function"
        raise TypeError(f"{name}.serve {wrong}: it must be an async def function without a yield")
    seconds(handler.grace, "grace")
    if not isinstance(handler.limit, int):
        raise TypeError(f"limit is {handler.limit!r}: it must be bytes, as an int")
    for address in addresses:
        if address.network.startswith("udp"):
            raise UnsupportedProtocolError(
                f"{str(address)!r} is for datagrams, and an AsyncHandler serves streams"
            )
