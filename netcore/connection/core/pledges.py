"""What asynchronous writes have promised, from the moment of the call until the loop has carried them out.

Without an account a loop that is busy could be given any number of bytes. One lock serves all accounts, and
is held for a few steps. It is re-entrant, since a signal handler and ``__del__`` may write as well; neither
runs between the load and the store of an addition.
"""

from __future__ import annotations

import os
from typing import Final

from netcore._locks import Lock, make_lock

__all__ = ["OVERHEAD", "PLEDGING", "Pledges"]

OVERHEAD: Final = 64
"""Bytes that a piece of output costs beside its own: very many may be empty."""

_FEW = 1024
"""So many calls may wait whatever the limit on bytes is."""

PLEDGING: Final[Lock] = make_lock()
"""Held while an account is made or changed, and while a connection changes its loop."""


def _renew() -> None:
    """Frees the lock in a forked child, in which a thread that had it does not exist."""
    renew = getattr(PLEDGING, "_at_fork_reinit", None)  # as the interpreter does with its own
    if renew is not None:
        renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


class Pledges:
    """The account of one connection, or of one server's datagrams. Any thread.

    Attributes:
        size: Bytes that are promised.
        calls: In how many calls.
        asked: How many other calls the loop has not carried out, be they of no bytes.
        reached: Whether the high-water mark was reached since this was last taken back.
        refused: How many were refused. A stream takes no more after the first, which has left a hole.
    """

    __slots__ = ("asked", "calls", "reached", "refused", "size")

    def __init__(self) -> None:
        self.size = 0
        self.calls = 0
        self.asked = 0
        self.reached = False
        self.refused = 0

    def promise(self, size: int, waiting: int, most: int, high_water: int) -> int:
        """Takes the bytes of one call into account, or refuses them.

        Args:
            size: How many.
            waiting: Bytes that the loop has, and the kernel has not taken.
            most: How many may wait in all.
            high_water: From how many on there is no more to be written.

        Returns:
            0, or the number of those that have been refused, this one included.
        """
        with PLEDGING:
            total = self.size + size + waiting
            if total > most or self.calls >= max(most // OVERHEAD, _FEW):
                self.refused += 1
                return self.refused
            self.size += size
            self.calls += 1
            if total >= high_water:
                self.reached = True
            return 0

    def redeem(self, size: int) -> bool:
        """The loop has what one call has promised; returns whether the high-water mark was reached before."""
        with PLEDGING:
            self.size -= size
            self.calls -= 1
            reached, self.reached = self.reached, False
            return reached

    def take_refused(self) -> int:
        """Returns how many were refused since this was last called."""
        with PLEDGING:
            refused, self.refused = self.refused, 0
            return refused
