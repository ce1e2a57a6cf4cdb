"""What the server says to a line, and does then."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["SILENCE", "Answer", "Then", "answer"]


class Then(enum.Enum):
    """What happens when an answer was written."""

    GO_ON = enum.auto()
    START_TLS = enum.auto()
    CLOSE = enum.auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer.

    Attributes:
        data: What is written; nothing within a message.
        then: What happens then.
    """

    data: bytes
    then: Then = Then.GO_ON


SILENCE = Answer(b"")


def answer(code: int, *lines: str, then: Then = Then.GO_ON) -> Answer:
    """Makes an answer of a code and its lines (RFC 5321, 4.2.1)."""
    last = len(lines) - 1
    text = "".join(f"{code}{'-' if i < last else ' '}{line}\r\n" for i, line in enumerate(lines))
    return Answer(text.encode(), then)
