"""Looking at several loops, one after the other, while connections change from one to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["Moves"]

_T = TypeVar("_T")

_LOOKS = 64
"""So often it is looked again; then whatever was found has to do. Moves are seldom, and a look is short."""


class Moves:
    """The moves between the loops of one engine. Any thread, signal handlers and finalizers too.

    A connection is with its new loop before it leaves the old one, and in between ``note`` is called. Who
    looks at the new one first, and at the old one last, learns by that that he has missed it.
    """

    __slots__ = ("_latest",)

    def __init__(self) -> None:
        self._latest = object()

    def note(self) -> None:
        """A connection is about to leave its loop, and is with another one already."""
        self._latest = object()

    def steadily(self, look: Callable[[], _T]) -> _T:
        """Looks, and again if a connection has moved meanwhile; returns what was found last."""
        for _ in range(_LOOKS):
            latest = self._latest
            found = look()
            if self._latest is latest:
                break
        return found
