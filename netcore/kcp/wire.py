"""Segments as they are in datagrams: a header of 24 bytes, little endian, and the payload; several in one.

The fields are conversation, command, fragment, window, timestamp, number, acknowledged number, length
(skywind3000/kcp, protocol.txt).
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

__all__ = [
    "ACK",
    "ASK",
    "HEADER_SIZE",
    "MODULUS",
    "MOST_FRAGMENTS",
    "PUSH",
    "TELL",
    "Segment",
    "difference",
    "opening",
    "pack",
    "parse",
    "unwrap",
]

PUSH, ACK, ASK, TELL = 81, 82, 83, 84
"""Commands: a piece of data, the receipt of one, a question for the window, the answer."""

_HEADER = Struct("<IBBHIIII")
HEADER_SIZE = _HEADER.size

MODULUS = 1 << 32
"""Of times and numbers."""

MOST_FRAGMENTS = 128
"""A message has fewer segments; also the window that a peer is taken to have until it tells its own."""

_HALF = 1 << 31


class Segment(NamedTuple):
    """One of a datagram. Times and numbers are modulo 2**32, milliseconds and a count."""

    command: int
    fragment: int
    window: int
    timestamp: int
    number: int
    acknowledged: int
    payload: bytes


def pack(conversation: int, segment: Segment) -> bytes:
    """Writes a segment; times and numbers may be of any size."""
    command, fragment, window, timestamp, number, acknowledged, payload = segment
    return (
        _HEADER.pack(
            conversation,
            command,
            fragment,
            window,
            timestamp % MODULUS,
            number % MODULUS,
            acknowledged % MODULUS,
            len(payload),
        )
        + payload
    )


def parse(datagram: bytes, conversation: int) -> list[Segment]:
    """Reads all segments of a datagram.

    Raises:
        ValueError: It is none of this conversation's, or not well formed.
    """
    found = []
    position, size = 0, len(datagram)
    while True:
        if size - position < HEADER_SIZE:
            raise ValueError(f"{size - position} bytes where a segment has a header of {HEADER_SIZE}")
        of, command, fragment, window, timestamp, number, acknowledged, length = _HEADER.unpack_from(
            datagram, position
        )
        position += HEADER_SIZE
        if of != conversation:
            raise ValueError(f"a segment of conversation {of}, not of {conversation}")
        if not PUSH <= command <= TELL:
            raise ValueError(f"there is no command {command}")
        if length > size - position:
            raise ValueError(f"a segment of {length} bytes where {size - position} are left")
        payload = datagram[position : position + length]
        found.append(Segment(command, fragment, window, timestamp, number, acknowledged, payload))
        position += length
        if position == size:
            return found


def opening(datagram: bytes, window: int) -> int | None:
    """Returns the conversation that a datagram begins, if it is such a one as a peer begins with.

    That is to say that it is well formed, acknowledges nothing, since nothing was sent, and brings something
    for which there is room.

    Args:
        datagram: All of it.
        window: The segments for which there is room.
    """
    conversation = int.from_bytes(datagram[:4], "little")
    try:
        segments = parse(datagram, conversation)
    except ValueError:
        return None
    pushes = [each for each in segments if each.command == PUSH]
    if any(each.acknowledged for each in segments) or any(each.fragment >= window for each in pushes):
        return None
    return conversation if any(each.number < window for each in pushes) else None


def difference(later: int, earlier: int) -> int:
    """Returns how far one of two numbers modulo 2**32 is ahead of the other; negative where it is behind."""
    return (later - earlier + _HALF) % MODULUS - _HALF


def unwrap(number: int, near: int) -> int:
    """Returns the integer next to `near` that is `number` modulo 2**32."""
    return near + difference(number, near)
