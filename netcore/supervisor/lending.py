"""Who accepts from the listeners of a place while its own process does not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from netcore.supervisor.member import Member
from netcore.supervisor.place import Place
from netcore.supervisor.yard import Yard

__all__ = ["Lending", "serving"]

_VACANT = 1.0
"""Seconds for which connections wait for the process of their listener, before another one takes them."""


def serving(places: Sequence[Place]) -> Iterator[Member]:
    """Yields the processes that accept connections, in the order of their places."""
    for place in places:
        if place.serves and place.current is not None:
            yield place.current


class Lending:
    """Sees to it that somebody accepts from each listener, and in the end only whose it is.

    Listeners of a place without a process are lent: what waits in their backlogs would wait for long
    otherwise, and be reset if they were closed. The kernel goes on to give each of them its share.
    """

    def __init__(self, yard: Yard, clock: Callable[[], float]) -> None:
        self._yard = yard
        self._clock = clock

    def arrange(self, places: Sequence[Place]) -> None:
        """Lends what nobody accepts from, and takes back what its owner accepts from again."""
        now = self._clock()
        there = list(serving(places))
        for place in places:
            place.look(now)
        for number in sorted(self._yard.numbers):
            keepers = [member for member in there if number in member.listeners]
            if number < len(places) and places[number].serves:
                for keeper in keepers:
                    if keeper is not places[number].current:
                        keeper.listeners.discard(number)
                        self._yard.tell(keeper, "release", number)
            elif there and not keepers and now >= _lent_from(number, places):
                free = min(there, key=lambda member: len(member.listeners))
                free.listeners.add(number)
                self._yard.tell(free, "adopt", number)

    def next_due(self, places: Sequence[Place]) -> float:
        """Returns when ``arrange`` is to be called though nothing happens; infinite for never."""
        there = list(serving(places))
        kept = {number for member in there for number in member.listeners}
        vacant = self._yard.numbers - kept if there else ()
        return min((_lent_from(number, places) for number in vacant), default=math.inf)


def _lent_from(number: int, places: Sequence[Place]) -> float:
    """Returns from when on listeners are lent: those of a place that is gone at once."""
    return places[number].vacant_since + _VACANT if number < len(places) else -math.inf
