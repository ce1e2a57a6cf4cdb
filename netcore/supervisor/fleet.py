"""Which processes there are to be, and what is done about those that there are: decisions, and no I/O."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator

from netcore.supervisor.endings import Endings
from netcore.supervisor.lending import Lending, serving
from netcore.supervisor.member import Member
from netcore.supervisor.obituary import status_in_words, tell_of
from netcore.supervisor.place import Place
from netcore.supervisor.states import Event, State
from netcore.supervisor.yard import Pace, Yard

__all__ = ["Fleet"]

_TRIES = 3
"""Processes that are started in vain before the first one has booted."""


class Fleet:
    """Keeps as many processes as are wanted, and replaces them.

    Everything that happens is told to it, in one thread, and it is asked when it wants to be called again.

    Args:
        size: How many processes.
        yard: See there.
        pace: See there.
        clock: Seconds that never go back.
        logger: Where it is told what happens.

    Attributes:
        places: Those to be filled, by number. One that is not wanted any more is among them as long as only
            its process accepts.
        members: All processes that have not ended, by pid.
        failure: Why nothing is served; empty if all is well.
        restarts: How many processes have died that nobody had asked to.
        rolls: How often all processes were to be replaced.
        ending_since: When it has begun to end; infinite before that.
    """

    def __init__(
        self, size: int, yard: Yard, pace: Pace, clock: Callable[[], float], logger: logging.Logger
    ) -> None:
        self.places = [Place(number, clock()) for number in range(size)]
        self.members: dict[int, Member] = {}
        self.failure = ""
        self.restarts = 0
        self.rolls = 0
        self._yard = yard
        self._clock = clock
        self._logger = logger
        self._endings = Endings(yard, pace, clock, logger)
        self._lending = Lending(yard, clock)
        self._wanted = size
        self._rolling: list[int] = []  # the places whose processes are to be replaced, the next one first
        self._ever_booted = False
        self._tries = 0
        self._ending = False
        self.ending_since = math.inf

    # What there is.

    @property
    def wanted(self) -> int:
        """How many processes there are to be."""
        return self._wanted

    @property
    def complete(self) -> bool:
        """Whether a process serves in every place, and none is about to be replaced."""
        as_wanted = len(self.places) == self._wanted and not self._rolling
        return as_wanted and all(place.serves for place in self.places)

    @property
    def rolling(self) -> bool:
        """Whether processes are being replaced."""
        return bool(self._rolling)

    @property
    def count(self) -> int:
        """How many processes accept connections."""
        return sum(place.serves for place in self.places)

    @property
    def ending(self) -> bool:
        """Whether it has begun to end."""
        return self._ending

    @property
    def over(self) -> bool:
        """Whether it was to end, and the last process has."""
        return self._ending and not self.members

    def serving(self) -> Iterator[Member]:
        """Yields the processes that accept connections, in the order of their places. Any thread."""
        return serving(list(self.places))

    # What is wanted.

    def start(self) -> None:
        """Starts the first process, and when that has booted the others: a fault shows once, not N times."""
        for place in self.places:
            place.vacant_since = self._clock()
        self.step()

    def replace_all(self) -> None:
        """Replaces every process, one after the other, from the first on if that is under way."""
        if self._ending:
            return
        for place in self.places:
            self._retire_successor(place)
        self._rolling = list(range(self._wanted))
        self.rolls += 1
        self.step()

    def grow(self) -> None:
        """Has one process more."""
        if self._ending:
            return
        if self._wanted == len(self.places):
            try:
                self._yard.open_place(self._wanted)
            except OSError as error:
                self._logger.error("there is no process more: %s", error)
                return
            self.places.append(Place(self._wanted, self._clock()))
        self._wanted += 1
        self._logger.info("processes that are wanted now: %d", self._wanted)
        self.step()

    def shrink(self) -> None:
        """Has one process less, but one. One that alone accepts stays until another one does."""
        if self._ending:
            return
        if self._wanted == 1:
            self._logger.warning("there is one process left, which stays")
            return
        self._wanted -= 1
        place = self.places[self._wanted]
        self._retire_successor(place)
        self._rolled(place)
        self._logger.info("processes that are wanted now: %d", self._wanted)
        self.step()

    def retire_all(self) -> None:
        """Has every process let its connections end by themselves, and none follow."""
        self._end(self._endings.retire)

    def stop(self) -> None:
        """Has every process stop, and none follow."""
        self._end(self._endings.stop)

    def stop_now(self) -> None:
        """Has every process end at once."""
        self._end(self._endings.stop_now)

    def _end(self, how: Callable[[Member], object]) -> None:
        self._ending = True
        self.ending_since = min(self.ending_since, self._clock())
        self._rolling.clear()
        for member in list(self.members.values()):
            how(member)

    # What happens.

    def ready(self, pid: int) -> None:
        """A process has booted, and accepts."""
        member = self.members.get(pid)
        if member is None:
            return
        member.heard = self._clock()
        member.booted = min(member.booted, member.heard)
        if not member.moves(Event.READY):  # it is to end already, or has said so before
            return
        self._ever_booted = True
        self._logger.info("%s serves", member)
        place = self.places[member.number]
        if member is place.successor:
            place.successor, former = None, place.current
            place.current = member
            self._lending.arrange(self.places)  # first: it is to accept before the former one stops to
            if former is not None:
                self._endings.retire(former)
            self._rolled(place)
        self.step()

    def heard(self, pid: int, stuck: float = 0, where: str = "") -> None:
        """A process has said how its loops are: seconds that a turn takes already, and in which callback."""
        member = self.members.get(pid)
        if member is not None:
            member.heard = self._clock()
            member.stuck, member.where = stuck, where

    def exited(self, pid: int, status: int, last_words: str = "") -> None:
        """A process has ended.

        Args:
            pid: Which.
            status: Its exit status; less than zero for a signal that it has died of.
            last_words: What it has left behind: the stacks of its threads.
        """
        member = self.members.pop(pid, None)
        if member is None:
            return
        before = member.state
        member.moves(Event.EXIT)
        tell_of(self._logger, member, before, status, last_words)
        place = self.places[member.number] if member.number < len(self.places) else None
        if place is not None and member is place.successor:
            place.successor = None
            self._end_roll(place)
        elif place is not None and member is place.current:
            self._lost(place, member)
            if before is State.BOOTING:
                self._failed_to_boot(status_in_words(status))
        self.step()

    def _lost(self, place: Place, member: Member) -> None:
        """The process of a place has died, or is about to."""
        place.current, place.successor = place.successor, None
        if place.current is not None:
            self._rolled(place)  # what was to follow is there already
        if not self._ending:
            self.restarts += 1
            now = self._clock()
            place.due = now + place.back_off.delay(member.served(now))

    def _failed_to_boot(self, how: str) -> None:
        if self._ever_booted or self._ending:
            return
        self._tries += 1
        if self._tries >= _TRIES:
            self.failure = f"no process has booted in {self._tries} tries: the last one {how}"
            self.stop()

    # What follows.

    def next_due(self) -> float:
        """Returns when ``step`` is to be called though nothing happens; infinite for never."""
        due = [self._endings.next_due(self.members.values())] if self.members else []
        if not self._ending:
            due += [place.due for place in self._fillable() if place.current is None]
            due.append(self._lending.next_due(self.places))
        return min(due, default=math.inf)

    def step(self) -> None:
        """Does what is due by now."""
        self._endings.end_overdue(self.members.values())
        for place in self.places:
            # Its place is filled again at once, however long its death takes.
            if place.current is not None and place.current.state is State.KILLED:
                self._lost(place, place.current)
        if not self._ending:
            self._trim()
            self._roll()
            self._fill()
        if not self._ending:
            self._lending.arrange(self.places)

    def _trim(self) -> None:
        """Gives up places that are not wanted any more, but that of the only process that accepts."""
        while len(self.places) > self._wanted and not (self.places[-1].serves and self.count == 1):
            place = self.places.pop()
            self._lending.arrange(self.places)  # first: somebody else is to accept before it stops to
            if place.current is not None:
                self._endings.retire(place.current)

    def _roll(self) -> None:
        """Replaces the process of the next place, if none is being replaced."""
        while self._rolling and not any(place.successor for place in self.places):
            place = self.places[self._rolling[0]]
            if place.serves and place.current is not None:
                try:
                    place.successor = self._started(place, place.current.listeners)
                except OSError as error:
                    self._logger.error("process %d could not be started: %s", place.number, error)
                    self._end_roll(place)
                return
            if place.current is not None:  # it may have begun with what is to be replaced
                self._endings.retire(place.current)
                place.current = None
            place.back_off.reset()
            place.due = self._clock()
            self._rolled(place)

    def _rolled(self, place: Place) -> None:
        self._rolling = [number for number in self._rolling if number != place.number]

    def _end_roll(self, place: Place) -> None:
        """What was to follow has failed."""
        if not self._ending:
            self._rolling.clear()
            self._logger.error("%s stays, and nothing more is replaced", place.current)

    def _retire_successor(self, place: Place) -> None:
        if place.successor is not None:
            self._endings.retire(place.successor)
            place.successor = None

    def _fillable(self) -> list[Place]:
        """Returns the places that may have a process: but for the first one only when one has ever booted."""
        return self.places[: self._wanted if self._ever_booted else 1]

    def _fill(self) -> None:
        """Starts a process in each place that has none, as far as that is due."""
        for place in self._fillable():
            if place.current is None and self._clock() >= place.due and not self._ending:
                self._start_in(place)

    def _start_in(self, place: Place) -> None:
        try:
            place.current = self._started(place, {place.number} & self._yard.numbers)
        except OSError as error:
            self._logger.error("process %d could not be started: %s", place.number, error)
            place.due = self._clock() + place.back_off.delay(0)
            self._failed_to_boot(f"could not be started: {error}")

    def _started(self, place: Place, listeners: set[int]) -> Member:
        pid = self._yard.start(place.number, listeners)
        member = self.members[pid] = Member(place.number, pid, set(listeners))
        return member
