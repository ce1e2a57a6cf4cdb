"""The timing wheel of a loop: many deadlines that nearly always move on before they are met.

A deadline is put into the slot of its time, and left there when it moves: only when the slot comes up is it
asked for its time again. So progress on a connection costs nothing here, and ten thousand connections with
deadlines of thirty seconds cost some three hundred looks a second, whatever their traffic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice

from netcore.connection import BaseDeadlines
from netcore.eventloop.timers import TimerHeap

__all__ = ["TimingWheel"]

_TICK = 1 / 32
"""Seconds between two slots; a deadline is met by so much later at most, and never earlier."""


_PER_TURN = 256
"""Deadlines of one slot that are looked at in one turn; the rest of it comes up in the next."""


class TimingWheel:
    """Deadlines by time, one timer of the heap per slot in use. On the loop's thread only.

    Args:
        heap: Where the timers of the slots go.
        clock: Seconds that never go back.
        ask: Called with the time of a slot before its deadlines are judged.
    """

    def __init__(
        self,
        heap: TimerHeap,
        clock: Callable[[], float],
        ask: Callable[[float], object] = lambda due: None,
    ) -> None:
        self._ask = ask
        self._heap = heap
        self._clock = clock
        self._slots: dict[int, dict[BaseDeadlines, None]] = {}

    def plan(self, deadlines: BaseDeadlines) -> None:
        """Puts a connection's deadlines where the next of them is due, unless they stand earlier already."""
        due = deadlines.next_due()
        if due is None:
            return
        slot = math.ceil(due / _TICK)
        if deadlines.slot is not None:
            if deadlines.slot <= slot:
                return
            self._slots[deadlines.slot].pop(deadlines, None)
        deadlines.slot = slot
        if slot not in self._slots:
            self._slots[slot] = {}
            self._heap.add(self._heap.plan(slot * _TICK, self._turn, (slot,)))
        self._slots[slot][deadlines] = None

    def unplan(self, deadlines: BaseDeadlines) -> None:
        """Takes out the deadlines of a connection that is gone.

        Left to their slot, those of short connections would be a minute's worth of garbage at a time.
        """
        if deadlines.slot is not None:
            self._slots[deadlines.slot].pop(deadlines, None)
            deadlines.slot = None

    def _turn(self, slot: int) -> None:
        due = self._slots[slot]
        try:
            self._ask(slot * _TICK)
            for deadlines in list(islice(due, _PER_TURN)):
                if deadlines.slot != slot:  # what was asked or told before has ended its connection
                    continue
                del due[deadlines]
                deadlines.slot = None
                try:
                    deadlines.check(self._clock())
                finally:
                    self.plan(deadlines)
        finally:
            if due:
                self._heap.add(self._heap.plan(slot * _TICK, self._turn, (slot,)))
            else:
                del self._slots[slot]
