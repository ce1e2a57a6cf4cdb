"""What the engine asks of this package, which it looks up by name; see ``netcore.engine.guests``."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from netcore.address import Address
from netcore.aio.handler import AsyncHandler
from netcore.aio.hosted import open_guest
from netcore.errors import UnsupportedProtocolError

__all__ = ["check", "open_guest"]


def check(handler: object, addresses: Sequence[Address]) -> None:
    """Checks an ``AsyncHandler`` before anything is bound.

    Raises:
        TypeError: Its ``serve`` is no coroutine function.
        UnsupportedProtocolError: An address is for datagrams.
    """
    if not isinstance(handler, AsyncHandler):
        return
    serve = handler.serve
    if not inspect.iscoroutinefunction(serve):
        raise TypeError(f"{type(handler).__name__}.serve is {serve!r}: it must be an async def function")
    for address in addresses:
        if address.network.startswith("udp"):
            raise UnsupportedProtocolError(
                f"{str(address)!r} is for datagrams, and an AsyncHandler serves streams"
            )
