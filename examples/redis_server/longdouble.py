"""The 80-bit floating point arithmetic of INCRBYFLOAT and HINCRBYFLOAT.

Redis computes these in C's ``long double``, which on x86-64 has a 64-bit mantissa, and stores the sum with
17 decimals. Python's float is too coarse to give the same digits, so the numbers are exact fractions here
that are rounded to 64 bits where the hardware would.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

from .errors import CommandError

_MANTISSA_BITS = 64
_TOO_LARGE = 1 << 16384
_TOO_SMALL = Fraction(1, 1 << 16446)
_MAX_TEXT = 4096
_MAX_DECIMAL_EXPONENT = 5000
_DECIMALS = 17
_NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,9}))?\Z")
_INFINITY = re.compile(rb"[+-]?inf(?:inity)?\Z", re.IGNORECASE)


def parse_long_double(text: bytes | bytearray, message: bytes, infinite: bytes) -> Fraction:
    """Read a decimal number.

    Args:
        text: the number as the client sent it or the database holds it.
        message: the error if it is not a number.
        infinite: the error if it is an infinity: no sum with it can be stored.

    Raises:
        CommandError: for either.
    """
    if _INFINITY.match(text):
        raise CommandError(infinite)
    match = _NUMBER.match(text) if len(text) < _MAX_TEXT else None
    # An exponent far out of range must not reach Fraction, which would write all its zeros out.
    if match is None or abs(int(match[1] or 0)) > _MAX_DECIMAL_EXPONENT:
        raise CommandError(message)
    number = _round(Fraction(text.decode("ascii")))
    if abs(number) >= _TOO_LARGE or 0 < abs(number) < _TOO_SMALL:
        raise CommandError(message)
    return number


def add(left: Fraction, right: Fraction, infinite: bytes) -> Fraction:
    """The sum as the processor rounds it; CommandError with ``infinite`` if it is too large."""
    total = _round(left + right)
    if abs(total) >= _TOO_LARGE:
        raise CommandError(infinite)
    return total


def format_long_double(number: Fraction) -> bytes:
    """Write with up to 17 decimals and no exponent, without the zeros at the end."""
    scaled = round(abs(number) * 10**_DECIMALS)
    whole, decimals = divmod(scaled, 10**_DECIMALS)
    sign = "-" if number < 0 and scaled else ""
    # Decimal, since Python refuses to write an integer of more than 4300 digits.
    return f"{sign}{Decimal(whole):f}.{decimals:0{_DECIMALS}d}".rstrip("0").rstrip(".").encode()


def _round(number: Fraction) -> Fraction:
    """To the nearest number with a 64-bit mantissa, ties to even."""
    if not number:
        return number
    exponent = abs(number.numerator).bit_length() - number.denominator.bit_length() - _MANTISSA_BITS
    unit = Fraction(2) ** exponent
    if abs(number) >= unit * (1 << _MANTISSA_BITS):
        unit *= 2
    return round(number / unit) * unit
