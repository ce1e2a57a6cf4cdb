"""What the arguments of a handler's may be, decided once. Each is judged before anything is done with it.

Counts and sizes are whatever has ``__index__`` (``operator.index`` judges most of them): ints, and the whole
numbers of other libraries, but no floats.
"""

from __future__ import annotations

from operator import index
from typing import Final

__all__ = [
    "ALL",
    "INT_MAX",
    "check_callback",
    "check_function",
    "check_method",
    "size_of",
    "switch_of",
    "taken_of",
]

ALL: Final = -1
"""The default of counts, which CPython has one object of: asking for it by ``is`` costs next to nothing."""

INT_MAX: Final = (1 << 31) - 1
"""What an int of C takes."""


def check_callback(callback: object) -> None:
    """Raises TypeError unless a callback can be called, or is None for nobody to be told."""
    if callback is not None and not callable(callback):
        raise TypeError(f"a callback must be a function or None, not {callback!r}")


def check_function(function: object) -> None:
    """Raises TypeError unless this can be called, where somebody sees who has passed it."""
    if not callable(function):
        raise TypeError(f"a function is needed, and {function!r} cannot be called")


def check_method(thing: object, method: str) -> None:
    """Raises TypeError unless what is to be a file, or like one, has a method."""
    if not callable(getattr(thing, method, None)):
        raise TypeError(f"a file object with a method {method} is needed, not {thing!r}")


def switch_of(value: object, what: str) -> bool:
    """Returns a switch as a bool; TypeError unless it is one, or a whole number."""
    try:
        return index(value) != 0  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{what} is {value!r}: it must be True or False") from None


def check_text(value: object, what: str) -> None:
    """Raises TypeError if a text that may be left out is none; None is fine."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{what} is a str, and not {value!r}")


def size_of(value: object, what: str, most: int | None = INT_MAX) -> int:
    """Returns a size.

    Args:
        value: A whole number.
        what: What it is, to begin the error's message with.
        most: The largest that there may be; None for no limit.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is negative, or too large.
    """
    try:
        size = index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{what} is {value!r}: it must be a whole number") from None
    if size < 0:
        raise ValueError(f"{what} is {size}: it cannot be negative")
    if most is not None and size > most:
        raise ValueError(f"{what} is larger than {most}")
    return size


def taken_of(result: object, offered: int) -> int:
    """Returns how many bytes a file says it has taken, which does not go without saying.

    Args:
        result: What its ``write`` has returned; None is 0, as of a raw file that would block.
        offered: How many it was given.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is negative, or more than was offered.
    """
    if result is None:
        return 0
    try:
        taken = index(result)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"write() returned {result!r} for {offered} bytes") from None
    if not 0 <= taken <= offered:
        raise ValueError(f"write() returned {taken} for {offered} bytes")
    return taken
