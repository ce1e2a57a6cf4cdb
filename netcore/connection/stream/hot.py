"""Streams whose hot half is in C: what a message needs of a connection, an outbox, an inbox and counters.

Each class here is the twin of one in Python, does the same, and shares with it whatever is not the usual
case: kept bytes, a backlog, a filter, deadlines. ``docs/design/hot-half.md`` says what is in C, and why.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Protocol

from netcore._native import _hot, address, native
from netcore.connection.core import IDS, BaseDeadlines, BaseInbox, BaseMeter, Payer, State
from netcore.connection.core.counters import COUNTS, BaseCounters
from netcore.connection.stream.connection import BaseStream
from netcore.connection.stream.outbox import BaseOutbox, Writer
from netcore.connection.stream.session import BaseSession
from netcore.handler import CloseReason
from netcore.sockets import Chunk, Sockets, send_one_of

__all__ = [
    "HotCounters",
    "HotDeadlines",
    "HotInbox",
    "HotMeter",
    "HotOutbox",
    "HotSessionConnection",
    "HotSockets",
    "HotStreamConnection",
]

_hot.set_up(IDS, State.OPEN)


class HotSockets(Sockets, Protocol):
    """Sockets that tell C where it finds what they are made of."""

    receive_cap: int
    """Bytes taken from one socket in one receive."""

    def hot_calls(self) -> dict[str, int]:
        """Returns addresses of functions of ``netcore.h``; see ``NativeSockets.hot_calls``."""

    def hot_arena(self) -> int:
        """Returns where the arena lies."""


class HotCounters(_hot.Counts, BaseCounters):
    """``Counters``, some of which C adds to."""

    __slots__ = ("closed", *(name for name in COUNTS if not hasattr(_hot.Counts, name)))

    def ended(self, reason: CloseReason) -> int:
        """See ``Counters.ended``."""
        return super().ended(reason) + (self.ended_here if reason is CloseReason.EOF else 0)


class HotMeter(_hot.Meter, BaseMeter):
    """``Meter``, whose clock C reads."""

    __slots__ = ()

    def __init__(self) -> None:
        self.set_clock(address("nc_nanoseconds"))


class HotInbox(_hot.Inbox, BaseInbox):
    """``Inbox``, which C reads from."""

    __slots__ = ()

    _sockets: HotSockets

    def _take_arena(self) -> None:
        super()._take_arena()
        self.place(self._sockets.hot_arena(), len(self.arena))


class HotOutbox(_hot.Outbox, BaseOutbox):
    """``Outbox`` with its entries in arrays of C."""

    __slots__ = ("_charge", "_counters", "_send_one")

    def __init__(
        self,
        sockets: HotSockets,
        counters: HotCounters,
        limit: int,
        charge: Callable[[Payer | None, BaseException], object],
        share: float = math.inf,
    ) -> None:
        super().__init__(counters, sockets.hot_calls(), limit, int(min(share, sys.maxsize)))
        self._counters = counters
        self._charge = charge
        self._send_one = send_one_of(sockets)

    def charge(self, writer: Writer | None, error: BaseException) -> None:
        """Has a writer pay for what is lost of its bytes."""
        self._charge(writer, error)

    def _python_add(self, writer: Writer, chunk: Chunk) -> None:
        """Does what ``add`` does, for what is not bytes."""
        place = native()[0].from_buffer(chunk)  # which keeps it from being released
        self.note(writer, (chunk, place), address(place), len(chunk))


class HotDeadlines(_hot.Deadlines, BaseDeadlines):
    """``Deadlines``, which C puts off."""

    __slots__ = BaseDeadlines.FIELDS


class HotStreamConnection(_hot.Stream, BaseStream):
    """``StreamConnection`` with its short ways in C, which call what is named here where they end."""

    __slots__ = ()

    _make_deadlines = HotDeadlines
    _python_discard = BaseStream.discard
    _python_next = BaseStream.next
    _python_peek = BaseStream.peek
    _python_read = BaseStream.read
    _python_write = BaseStream.write
    _python_writev = BaseStream.writev

    def seen(self, lo: int, hi: int) -> memoryview:
        """See ``ReadingHalf.seen``; what a large receive has brought has a memory of its own."""
        source = self._source
        return super().seen(lo, hi) if source is None else memoryview(source)[lo:hi]

    def present(self, plain: bytes) -> None:
        """See ``FilteredHalves.present``; without a copy, and a buffer to keep it in."""
        if self._kept is None:
            self._source = plain
            self._lo = 0
            self._hi = len(plain)
        else:
            super().present(plain)


_hot.give_methods(HotStreamConnection)


class HotSessionConnection(BaseSession, HotStreamConnection):
    """``SessionConnection`` on a hot half in C."""

    __slots__ = ("session",)
