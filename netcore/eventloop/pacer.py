"""When sessions are due, to a hundredth of a second: what is sent again, and acknowledged, by the clock.

As in the wheel of deadlines, a session stays in its slot when its time moves on, and is only asked anew when
the slot comes up: with traffic under way its time moves with every datagram.
"""

from __future__ import annotations

import math
from typing import Protocol

from netcore.connection import Payer
from netcore.eventloop.site import Site

__all__ = ["Paced", "Pacer"]

_PER_TURN = 256
"""Sessions of one slot that are looked at in one turn; the rest of it comes up in the next."""


class Paced(Payer, Protocol):
    """What has something to do at certain times."""

    slot: int | None
    """Where it stands; the pacer's own."""

    def next_due(self) -> float | None:
        """Returns when it has something to do, in seconds of the loop's clock; None while it has nothing."""

    def pace(self) -> None:
        """Does what is due, if anything is."""


class Pacer:
    """Calls who is due. The loop's thread.

    Args:
        site: The loop.
        tick: Seconds between two slots; one is called by so much later at most, and never earlier.
    """

    def __init__(self, site: Site, tick: float) -> None:
        self._site = site
        self._tick = tick
        self._slots: dict[int, dict[Paced, None]] = {}

    def plan(self, paced: Paced) -> None:
        """Puts one where it is due next, unless it stands earlier already."""
        due = paced.next_due()
        if due is None:
            return
        slot = math.ceil(due / self._tick)
        if paced.slot is not None:
            if paced.slot <= slot:
                return
            self._slots[paced.slot].pop(paced, None)
        paced.slot = slot
        slots = self._slots
        if slot not in slots:
            slots[slot] = {}
            self._call(slot)
        slots[slot][paced] = None

    def unplan(self, paced: Paced) -> None:
        """Takes one out that is over."""
        if paced.slot is not None:
            self._slots[paced.slot].pop(paced, None)
            paced.slot = None

    def _call(self, slot: int) -> None:
        site = self._site
        site.schedule(max(slot * self._tick - site.clock(), 0.0), self._turn, slot)

    def _turn(self, slot: int) -> None:
        due = self._slots[slot]
        for paced in list(due)[:_PER_TURN]:
            if paced.slot != slot:  # one before has ended it
                continue
            del due[paced]
            paced.slot = None
            try:
                paced.pace()
                self.plan(paced)
            except BaseException as error:
                self._site.charge(paced, error)
        if due:
            self._call(slot)
        else:
            del self._slots[slot]
