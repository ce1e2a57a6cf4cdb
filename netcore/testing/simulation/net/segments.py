"""What TCP puts on the way."""

from __future__ import annotations

__all__ = ["HEADER", "Segment"]

HEADER = 40
"""Bytes of IPv4 and TCP in front of a segment's."""


class Segment:
    """Bytes under way, or the end of the stream, which takes one number of the sequence.

    Attributes:
        start: The number of its first byte in the stream.
        end: The number behind its last.
        data: The bytes; none for the end of the stream.
        number: The event that it was sent by.
        sent: When, in virtual seconds.
    """

    __slots__ = ("data", "end", "number", "sent", "start")

    def __init__(self, start: int, data: bytes, number: int, sent: float) -> None:
        self.start: int = start
        self.end: int = start + (len(data) or 1)
        self.data: bytes = data
        self.number: int = number
        self.sent: float = sent
