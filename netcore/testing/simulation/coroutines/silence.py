"""Quiet for coroutines that the garbage collector ends together with their world.

A coroutine that is collected in its midst runs its ``finally`` clauses. Those that would wait find no loop
that runs, of which the interpreter complains; and nobody says which of several objects is ended first.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Callable
from types import CoroutineType
from typing import Any

__all__ = ["SILENCE", "Silence"]

_callbacks: list[Callable[[str, Any], object]] = getattr(gc, "callbacks", [])  # which PyPy has not


class Silence:
    """Has coroutines end without a complaint while the collector runs, if there is a loop in a world.

    So does the end of the interpreter, which collects what is left.
    """

    def __init__(self) -> None:
        self._loops = 0
        self._before: Callable[[Any], object] = sys.unraisablehook
        atexit.register(self._at_exit)

    def begin(self) -> None:
        """There is one loop more."""
        self._loops += 1
        if self not in _callbacks:
            _callbacks.append(self)

    def end(self) -> None:
        """There is one less."""
        self._loops -= 1

    def __call__(self, phase: str, info: object) -> None:
        """See ``gc.callbacks``."""
        if phase == "start":
            self._before, sys.unraisablehook = sys.unraisablehook, self._hear
        else:
            sys.unraisablehook = self._before
            if not self._loops:
                _callbacks.remove(self)

    def _at_exit(self) -> None:
        if self._loops:
            self("start", None)

    def _hear(self, complaint: Any) -> None:
        # Python 3.14 names the coroutine in the message alone.
        ended = isinstance(complaint.object, CoroutineType) or "<coroutine " in (complaint.err_msg or "")
        if not (ended and complaint.exc_type is RuntimeError):
            self._before(complaint)


SILENCE = Silence()
"""The one of this process."""
