"""Something in the midst of a call: at each line of netcore's that the call passes, one run for each of them.

A signal handler and a finalizer run between any two steps of the interpreter, on the thread that is there. So
does a trace function.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import netcore

__all__ = ["at_every_line", "interrupting", "is_ours"]

_OURS = os.path.dirname(netcore.__file__) + os.sep


def is_ours(file: str) -> bool:
    """Whether a file is netcore's."""
    return file.startswith(_OURS)


def interrupting(
    call: Callable[[], object],
    nested: Callable[[], object],
    number: int,
    counts: Callable[[str], bool] = is_ours,
) -> bool:
    """Makes a call, and another at the line with this number.

    Args:
        call: What is interrupted.
        nested: What interrupts it; what this raises, the call raises.
        number: Of the line, from 1 on.
        counts: Whether the lines of a file count.

    Returns:
        Whether there was such a line.
    """
    seen = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal seen
        if not counts(frame.f_code.co_filename):
            return None
        if event == "line":
            seen += 1
            if seen == number:
                sys.settrace(None)
                nested()
        return trace

    former = sys.gettrace()
    gc.disable()  # or a finalizer's lines would be among them
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(former)
        gc.enable()
    return seen >= number


def at_every_line(run: Callable[[int], bool]) -> int:
    """Calls ``run(number)``, which returns whether there was such a line, for each number from 1 on.

    Returns:
        How many lines there were.
    """
    number = 1
    while run(number):
        number += 1
    return number - 1
