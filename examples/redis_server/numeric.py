"""Numbers as Redis reads and writes them.

Redis is stricter than Python: ``" 1"``, ``"+1"``, ``"01"`` and ``"1_000"`` are not integers, and a stored
value counts as a number only in its one canonical spelling.
"""

from __future__ import annotations

import re

from .errors import NOT_A_FLOAT, NOT_AN_INTEGER, CommandError, out_of_range

INT64_MIN = -(1 << 63)
INT64_MAX = (1 << 63) - 1
_INT64_DIGITS = len(b"%d" % INT64_MIN)

_DECIMAL = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_INFINITY = re.compile(rb"[+-]?inf(?:inity)?\Z", re.IGNORECASE)
_HEXADECIMAL = re.compile(rb"[+-]?0x[0-9a-f]*\.?[0-9a-f]*(?:p[+-]?[0-9]+)?\Z", re.IGNORECASE)
_ZERO = re.compile(rb"[+-]?[0.]+(?:[eE].*)?\Z")


def parse_integer(text: bytes | bytearray, message: bytes = NOT_AN_INTEGER) -> int:
    """Read a signed 64-bit integer in canonical spelling.

    Raises:
        CommandError: with ``message`` if it is anything else.
    """
    try:
        # The length comes first: int() of a megabyte of digits would take seconds.
        if len(text) <= _INT64_DIGITS:
            number = int(text)
            if b"%d" % number == text and INT64_MIN <= number <= INT64_MAX:
                return number
    except ValueError:
        pass
    raise CommandError(message)


def parse_within(text: bytes, low: int, high: int) -> int:
    """Read an integer between ``low`` and ``high``; the error for one outside names both."""
    number = parse_integer(text)
    if not low <= number <= high:
        raise out_of_range(low, high)
    return number


def parse_float(text: bytes, message: bytes = NOT_A_FLOAT) -> float:
    """Read a double as C's ``strtod`` does, infinities and hexadecimal included, NaN excluded.

    Raises:
        CommandError: with ``message`` if the text is no number, or one that a double cannot hold.
    """
    if _DECIMAL.match(text):
        number = float(text)
        lost = number in (float("inf"), float("-inf")) or (number == 0 and not _ZERO.match(text))
        if not lost:
            return number
    elif _INFINITY.match(text):
        return float(text)
    elif _HEXADECIMAL.match(text):
        try:
            return float.fromhex(text.decode("ascii"))
        except (ValueError, OverflowError):
            pass
    raise CommandError(message)


def format_float(number: float) -> bytes:
    """Write a double with the 17 digits that identify it, as Redis 7.0 does."""
    return b"%.17g" % number
