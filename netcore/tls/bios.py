"""The two ends of OpenSSL that are in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from ssl import MemoryBIO
from typing import ParamSpec, TypeVar

__all__ = ["Bios", "bios_of_this_thread"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Bios:
    """Where filters put raw bytes for OpenSSL, and take out what it has made.

    One pair serves all filters of one thread: each leaves it empty before it returns. A pair of its own would
    cost each connection the most that it ever held, since a BIO in memory does not shrink.

    Attributes:
        incoming: What OpenSSL reads.
        outgoing: What it has written.
        busy: Whether a filter is at work. Another one is then inside its call: in an ``sni_callback``, in a
            finalizer, or in a handler of a signal.
    """

    __slots__ = ("busy", "incoming", "outgoing")

    def __init__(self) -> None:
        self.busy: bool = False
        self.incoming: MemoryBIO = MemoryBIO()
        self.outgoing: MemoryBIO = MemoryBIO()

    def aside(self, step: Callable[_P, _T], *args: _P.args, **named: _P.kwargs) -> _T:
        """Takes a filter's step inside of another's, whose bytes are put aside meanwhile."""
        incoming, outgoing = self.incoming.read(), self.outgoing.read()
        self.busy = False
        try:
            return step(*args, **named)
        finally:
            self.incoming.write(incoming)
            self.outgoing.write(outgoing)
            self.busy = True


class _Thread(threading.local):
    """What belongs to one thread."""

    def __init__(self) -> None:
        self.bios = Bios()


_THIS = _Thread()


def bios_of_this_thread() -> Bios:
    """Returns the pair that the filters of the calling thread share."""
    return _THIS.bios
