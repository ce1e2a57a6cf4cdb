"""Numbers as Redis reads and writes them.

Redis is stricter than Python: ``" 1"``, ``"+1"``, ``"01"`` and ``"1_000"`` are not integers, and a stored
value counts as a number only in its one canonical spelling.
"""

from __future__ import annotations

import re
from math import isinf

from .errors import NOT_A_FLOAT, NOT_AN_INTEGER, NOT_POSITIVE, CommandError, out_of_range

INT64_MIN = -(1 << 63)
INT64_MAX = (1 << 63) - 1
_INT64_DIGITS = len(b"%d" % INT64_MIN)

_MAX_PICKS = 1 << 20

_DECIMAL = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_INFINITY = re.compile(rb"[+-]?inf(?:inity)?\Z", re.IGNORECASE)
_HEXADECIMAL = re.compile(rb"[+-]?0x[0-9a-f]*\.?[0-9a-f]*(?:p[+-]?[0-9]+)?\Z", re.IGNORECASE)
_ZERO = re.compile(rb"[+-]?(?:0x)?[0.]+(?:[eEpP].*)?\Z")


def parse_integer(text: bytes | bytearray, message: bytes = NOT_AN_INTEGER) -> int:
    """Read a signed 64-bit integer in canonical spelling.

    Raises:
        CommandError: with ``message`` if it is anything else.
    """
    # The length comes first: int() of a megabyte of digits would take seconds.
    if len(text) > _INT64_DIGITS:
        raise CommandError(message)
    try:
        number = int(text)
    except ValueError:
        raise CommandError(message) from None
    if b"%d" % number != text or not INT64_MIN <= number <= INT64_MAX:
        raise CommandError(message)
    return number


def parse_within(text: bytes, low: int, high: int) -> int:
    """Read an integer between ``low`` and ``high``; the error for one outside names both."""
    number = parse_integer(text)
    if not low <= number <= high:
        raise out_of_range(low, high)
    return number


def parse_positive(text: bytes, message: bytes = NOT_POSITIVE) -> int:
    """Read an integer that is not negative; the error is the same for a negative one and for none."""
    number = parse_integer(text, message)
    if number < 0:
        raise CommandError(message)
    return number


def parse_pick_count(text: bytes) -> int:
    """Read how many random elements are wanted; negative if the same one may come more than once.

    Redis takes any number and, asked for 2**62 picks, never comes back; so there is a limit here.
    """
    return parse_within(text, -_MAX_PICKS, INT64_MAX)


def parse_float(text: bytes, message: bytes = NOT_A_FLOAT) -> float:
    """Read a double as C's ``strtod`` does, infinities and hexadecimal included, NaN excluded.

    A number too large or too small for a double is infinite or zero.

    Raises:
        CommandError: with ``message`` if the text is no number.
    """
    if _DECIMAL.match(text) or _INFINITY.match(text):
        return float(text)
    if _HEXADECIMAL.match(text):
        try:
            return float.fromhex(text.decode("ascii"))
        except (ValueError, OverflowError):
            pass
    raise CommandError(message)


def parse_score(text: bytes) -> float:
    """Read a double to be stored, which unlike the end of a range must not be rounded out of existence.

    Raises:
        CommandError: the text is no number, or one that a double cannot hold.
    """
    if text.isdigit() and len(text) < _INT64_DIGITS:
        return float(text)
    number = parse_float(text)
    overflown = isinf(number) and not _INFINITY.match(text)
    if overflown or (number == 0 and not _ZERO.match(text)):
        raise CommandError(NOT_A_FLOAT)
    return number + 0.0  # makes the negative zero positive


def format_float(number: float) -> bytes:
    """Write a double with the 17 digits that identify it, as Redis 7.0 does."""
    return b"%.17g" % number
