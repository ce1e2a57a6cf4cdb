r"""Redis' glob patterns, which match bytes: ``*``, ``?``, ``[a-c]``, ``[^a]``, and ``\`` to escape them."""

from __future__ import annotations

import re


def compile_glob(pattern: bytes, ignore_case: bool = False) -> re.Pattern[bytes]:
    """A regular expression whose ``match`` decides whether all of a string fits the pattern.

    Between two stars the leftmost match is as good as any other, so the expression never comes back to try
    a second one: a hostile pattern with many stars takes no longer than an innocent one.
    """
    first, *others = _segments(pattern)
    expression = first
    if others:
        *middle, last = others
        for number, segment in enumerate(middle):
            # A lookahead is not entered again once it has matched, and the reference consumes what it saw.
            # (Python has had atomic groups for this since 3.11.)
            expression += b"(?=(?P<s%d>.*?%b))(?P=s%d)" % (number, segment, number)
        expression += b".*" + last
    return re.compile(expression + rb"\Z", re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _segments(pattern: bytes) -> list[bytes]:
    """Translate what stands before, between and after the stars."""
    segments = [b""]
    position = 0
    while position < len(pattern):
        byte = pattern[position : position + 1]
        position += 1
        if byte == b"*":
            # Several stars in a row mean the same as one.
            if len(segments) == 1 or segments[-1]:
                segments.append(b"")
        elif byte == b"?":
            segments[-1] += b"."
        elif byte == b"[":
            members, position = _class(pattern, position)
            segments[-1] += members
        else:
            if byte == b"\\" and position < len(pattern):
                byte = pattern[position : position + 1]
                position += 1
            segments[-1] += re.escape(byte)
    return segments


def _class(pattern: bytes, position: int) -> tuple[bytes, int]:
    """Translate a character class from after its bracket; one that is not closed ends with the pattern."""
    negated = pattern[position : position + 1] == b"^"
    position += negated
    members = b""
    while position < len(pattern) and pattern[position : position + 1] != b"]":
        if pattern[position : position + 1] == b"\\" and position + 1 < len(pattern):
            members += re.escape(pattern[position + 1 : position + 2])
            position += 2
        elif pattern[position + 1 : position + 2] == b"-" and position + 2 < len(pattern):
            low, high = sorted((pattern[position : position + 1], pattern[position + 2 : position + 3]))
            members += re.escape(low) + b"-" + re.escape(high)
            position += 3
        else:
            members += re.escape(pattern[position : position + 1])
            position += 1
    if not members:
        # Nothing is in an empty class, everything outside of it.
        return (b"." if negated else rb"(?!)"), position + 1
    return b"[" + (b"^" if negated else b"") + members + b"]", position + 1
