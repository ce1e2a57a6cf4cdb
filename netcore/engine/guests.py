"""Loops of asyncio on the threads of an engine's loops, for those who want them.

``netcore.aio`` stands on the engine, and takes its time to be imported: here it is looked up by its name, and
nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from netcore.address import Address
from netcore.eventloop import Guest, Loop
from netcore.options import Options

__all__ = ["check_asyncio", "give_guests", "with_asyncio"]

_MODULE = "netcore.aio.hosting"


class _Hosting(Protocol):
    """What is asked of that module."""

    def check(self, handler: object, addresses: Sequence[Address]) -> None:
        """Raises what is wrong with a handler before anything is bound."""

    def open_guest(self, host: Loop, receive_cap: int) -> Guest:
        """Makes the asyncio loop of a loop."""


def _hosting() -> _Hosting:
    return cast("_Hosting", import_module(_MODULE))


def with_asyncio(handler: object, options: Options) -> Options:
    """Returns the options as a handler needs them that may say so by its ``asyncio``."""
    wanted = getattr(handler, "asyncio", False) is True and not options.asyncio
    return options.replace(asyncio=True) if wanted else options


def check_asyncio(handler: object, options: Options, addresses: Sequence[Address]) -> None:
    """Checks a handler whose coroutines are to be run.

    Raises:
        TypeError: What is to be a coroutine function is none.
        UnsupportedProtocolError: It cannot serve an address.
    """
    if options.asyncio:
        _hosting().check(handler, addresses)


def give_guests(loops: Sequence[Loop], options: Options) -> None:
    """Gives each loop an asyncio loop, with ``Options.asyncio``; they end with their loops."""
    if options.asyncio:
        for loop in loops:
            loop.guest = _hosting().open_guest(loop, options.read_buffer_cap)
