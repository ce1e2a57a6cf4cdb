"""What a duration may be, decided once for every call and option that takes one."""

from __future__ import annotations

import math
import threading

__all__ = ["delay_of", "seconds", "waitable", "whole_seconds"]

_ENDLESS = 1e10
"""Seconds, some three hundred years: what is longer never comes, and would overflow the system's counters."""


def seconds(value: object, what: str, *, positive: bool = False) -> float:
    """Returns a duration as a float: finite, or infinite for what never comes.

    Args:
        value: An int or a float, whatever its size; not a bool, a Decimal or text.
        what: What it is, such as "a timeout", to begin the error's message with.
        positive: Whether zero is refused, too.

    Raises:
        TypeError: It is not a number of these types.
        ValueError: It is negative, not a number (nan), or zero where that makes no sense.
    """
    value = _number(value, what)
    # PyPy 8 takes what is not below zero for at least zero, once it is compiled, which nan is not.
    if value != value or not (value > 0 if positive else value >= 0):
        least = "above zero" if positive else "zero or more"
        raise ValueError(f"{what} is {value!r}: it must be seconds, {least}")
    return math.inf if value >= _ENDLESS else float(value)


def delay_of(value: object) -> float:
    """Returns the delay of a timer as ``seconds`` does; a negative one is none: at once."""
    number = _number(value, "a delay")
    return 0.0 if number < 0 else seconds(number, "a delay")


def whole_seconds(value: object, what: str, most: int) -> int:
    """Returns a duration as the kernel takes it: rounded up, ``most`` at most; -1 for every negative one.

    Raises:
        TypeError: It is no int or float.
        ValueError: It is not a number.
    """
    number = _number(value, what)
    return -1 if number < 0 else math.ceil(min(seconds(number, what), most))


def _number(value: object, what: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} is {value!r}: it must be an int or a float, in seconds")
    return value


def waitable(timeout: float | None) -> float | None:
    """Returns a time-out as the locks of ``threading`` take it: None for endless, and not too long."""
    if timeout is None or timeout == math.inf:
        return None
    return min(timeout, threading.TIMEOUT_MAX)
