"""What a loop counts: plain numbers, a few additions per turn and none per message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netcore.connection.core.fields import NO_FIELDS
from netcore.connection.core.meter import BaseMeter
from netcore.handler import CloseReason, Metrics
from netcore.sockets import Chunk

__all__ = ["COUNTS", "BaseCounters", "Counters"]

COUNTS: Final = (
    "accept_failures",
    "accepted",
    "bytes_received",
    "bytes_sent",
    "datagrams_dropped",
    "datagrams_received",
    "datagrams_sent",
    "dial_failures",
    "dialled",
    "enrolled",
    "errors",
    "events",
    "hangs",
    "kcp_refused",
    "messages",
    "proxy_failures",
    "refused",
    "tasks",
    "timers",
    "tls_handshake_failures",
    "tls_handshakes",
    "turns",
    "unopened",
)


class BaseCounters:
    """The counts of ``Metrics``, changed on the loop's thread only and read on any.

    Attributes:
        closed: Connections that have ended, by their reason.
        parting: Connections that are gone, but whose ``on_close`` has not returned yet; not in ``Metrics``.
        meter: What measures turns and callbacks; None unless that is wanted.
    """

    __slots__ = NO_FIELDS

    closed: dict[CloseReason, int]
    meter: BaseMeter | None
    accepted: int
    dialled: int
    enrolled: int
    refused: int
    accept_failures: int
    dial_failures: int
    bytes_received: int
    bytes_sent: int
    messages: int
    datagrams_received: int
    datagrams_sent: int
    datagrams_dropped: int
    kcp_refused: int
    unopened: int
    proxy_failures: int
    tls_handshakes: int
    tls_handshake_failures: int
    parting: int
    turns: int
    events: int
    tasks: int
    timers: int
    errors: int
    hangs: int

    def __init__(self) -> None:
        self.closed = dict.fromkeys(CloseReason, 0)
        self.parting = 0
        self.meter = None
        for name in COUNTS:
            setattr(self, name, 0)

    def snapshot(self, **levels: int) -> Metrics:
        """Makes a ``Metrics`` of the counts and the levels, which are not counted. Any thread."""
        counts = {name: getattr(self, name) for name in COUNTS}
        closed = {f"closed_{reason.value}": self.ended(reason) for reason in self.closed}
        return Metrics(**counts, **closed, **levels)

    def ended(self, reason: CloseReason) -> int:
        """Returns how many connections have ended for a reason. Any thread."""
        return self.closed[reason]

    def received(self, results: Sequence[int]) -> None:
        """Counts what a batch of ``Sockets.receive`` has brought, apart from ends and errors."""
        if min(results) <= 0:
            results = [n for n in results if n > 0]
        self.bytes_received += sum(results)
        self.messages += len(results)

    def sent_datagrams(self, chunks: Sequence[Chunk], sign: int = 1) -> int:
        """Counts datagrams offered to the kernel; with the sign -1 those that it did not take.

        Returns:
            Their bytes, with the sign.
        """
        size = sign * sum(map(len, chunks))
        self.datagrams_sent += sign * len(chunks)
        self.bytes_sent += size
        return size


class Counters(BaseCounters):
    """The counts as fields of an object of Python's; ``HotCounters`` is the same with some of them in C."""

    __slots__ = ("closed", "meter", "parting", *COUNTS)
