"""What a loop counts: plain numbers, a few additions per turn and none per message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netcore.handler import CloseReason, Metrics
from netcore.sockets import Chunk

__all__ = ["Counters"]

_COUNTS: Final = (
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
    "messages",
    "refused",
    "tasks",
    "timers",
    "turns",
    "unopened",
)


class Counters:
    """The counts of ``Metrics``, changed on the loop's thread only and read on any.

    Attributes:
        closed: Connections that have ended, by their reason.
    """

    __slots__ = ("closed", *_COUNTS)

    def __init__(self) -> None:
        self.accepted = self.dialled = self.enrolled = 0
        self.refused = self.accept_failures = self.dial_failures = 0
        self.closed: dict[CloseReason, int] = dict.fromkeys(CloseReason, 0)
        self.bytes_received = self.bytes_sent = self.messages = 0
        self.datagrams_received = self.datagrams_sent = self.datagrams_dropped = 0
        self.unopened = 0
        self.turns = self.events = self.tasks = self.timers = self.errors = 0

    def snapshot(self, **levels: int) -> Metrics:
        """Makes a ``Metrics`` of the counts and the levels, which are not counted. Any thread."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        closed = {f"closed_{reason.value}": count for reason, count in self.closed.items()}
        return Metrics(**counts, **closed, **levels)

    def received(self, results: Sequence[int]) -> None:
        """Counts a batch of ``Sockets.receive`` as if all of it were bytes; see ``received_nothing``."""
        self.bytes_received += sum(results)
        self.messages += len(results)

    def received_nothing(self, result: int) -> None:
        """Takes what was no number of bytes above zero out of the count again."""
        self.bytes_received -= result
        self.messages -= 1

    def sent_datagrams(self, chunks: Sequence[Chunk], sign: int = 1) -> None:
        """Counts datagrams offered to the kernel; with the sign -1 those that it did not take."""
        self.datagrams_sent += sign * len(chunks)
        self.bytes_sent += sign * sum(map(len, chunks))
