"""What calls of a simulation refuse, decided once; each names what it was given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

__all__ = ["check_callable", "check_host", "several", "whole"]

_T = TypeVar("_T")


def check_callable(function: object) -> None:
    """Refuses what is no function, by a TypeError."""
    if not callable(function):
        raise TypeError(f"{function!r} cannot be called")


def check_host(name: object) -> None:
    """Refuses what is no host's name, by a TypeError."""
    if not isinstance(name, str):
        raise TypeError(f"{name!r} is no host: it must be the name of one")


def several(values: Iterable[_T], what: str) -> tuple[_T, ...]:
    """Returns values as a tuple; TypeError for what is but one, or a text, whose letters are none.

    Args:
        values: What was given.
        what: The argument's name, for the message.
    """
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TypeError(f"{what} is {values!r}: it must be several, such as a list")
    return tuple(values)


def whole(number: object, what: str, least: int) -> int:
    """Returns a number of things.

    Args:
        number: What was given.
        what: The argument's name, for the message.
        least: What it must not be below.

    Raises:
        TypeError: It is no int.
        ValueError: It is too small.
    """
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{what} is {number!r}: it must be an int")
    if number < least:
        raise ValueError(f"{what} is {number}: it must be at least {least}")
    return number
