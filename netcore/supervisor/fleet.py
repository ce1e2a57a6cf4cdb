"""Which processes there are to be, and what is done about those that there are: decisions, and no I/O."""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from netcore.supervisor.member import Member
from netcore.supervisor.place import Place
from netcore.supervisor.states import Event, State

__all__ = ["Fleet", "Pace", "Yard"]

_TRIES = 3
"""Processes that are started in vain before the first one has booted."""

_VACANT = 1.0
"""Seconds for which connections wait for the process of their listener, before another one takes them."""

_AT_ONCE = 1.0
"""Seconds from the order to end at once to SIGKILL."""

_ABORT = getattr(signal, "SIGABRT", signal.SIGTERM)
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things may take, in seconds.

    Attributes:
        hang: A turn of a loop, or silence; infinite for ever.
        drain: Connections of a process that is replaced, to end by themselves.
        stop: A process, to end after it was asked to stop.
    """

    hang: float
    drain: float
    stop: float


class Yard(Protocol):
    """What processes are made of, and how they are reached."""

    @property
    def numbers(self) -> set[int]:
        """The places that have listeners of their own."""

    def open_place(self, number: int) -> None:
        """Makes sure that a place has its listeners; OSError if it cannot be had."""

    def start(self, number: int, listeners: set[int]) -> int:
        """Starts a process with the listeners of these places, and those of all; returns its pid.

        Raises:
            OSError: It cannot be started.
        """

    def tell(self, member: Member, order: str, value: float = 0) -> None:
        """Gives an order: drain (seconds), stop, stop_now, adopt or release (the listeners of a place)."""

    def kill(self, member: Member, number: int) -> None:
        """Sends a signal."""


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
        places: Those to be filled, by number.
        members: All processes that have not ended, by pid.
        failure: Why nothing is served; empty if all is well.
        restarts: How many processes have died that nobody had asked to.
    """

    def __init__(
        self, size: int, yard: Yard, pace: Pace, clock: Callable[[], float], logger: logging.Logger
    ) -> None:
        self.places = [Place(number) for number in range(size)]
        self.members: dict[int, Member] = {}
        self.failure = ""
        self.restarts = 0
        self._yard = yard
        self._pace = pace
        self._clock = clock
        self._logger = logger
        self._rolling: list[int] = []  # the places whose processes are to be replaced, the next one first
        self._ever_booted = False
        self._tries = 0
        self._ending = False

    # What there is.

    @property
    def complete(self) -> bool:
        """Whether a process serves in every place, and none is about to be replaced."""
        return not self._rolling and all(place.serves for place in self.places)

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
        """Yields the processes that accept connections, in the order of their places."""
        for place in self.places:
            if place.serves and place.current is not None:
                yield place.current

    # What is wanted.

    def start(self) -> None:
        """Starts the first process, and when that has booted the others: a fault shows once, not N times."""
        now = self._clock()
        for place in self.places:
            place.vacant_since = now
        self.step()

    def replace_all(self) -> None:
        """Replaces every process, one after the other, from the first on if that is under way."""
        if self._ending:
            return
        for place in self.places:
            if place.successor is not None:
                self._retire(place.successor)
                place.successor = None
        self._rolling = [place.number for place in self.places]
        self.step()

    def grow(self) -> None:
        """Has one process more."""
        if self._ending:
            return
        number = len(self.places)
        try:
            self._yard.open_place(number)
        except OSError as error:
            self._logger.error("there is no process more: %s", error)
            return
        self.places.append(Place(number, vacant_since=self._clock()))
        self._logger.info("%d processes are wanted now", len(self.places))
        self.step()

    def shrink(self) -> None:
        """Has one process less, but one."""
        if self._ending:
            return
        if len(self.places) == 1:
            self._logger.warning("there is one process left, which stays")
            return
        place = self.places.pop()
        self._rolling = [number for number in self._rolling if number != place.number]
        self._logger.info("%d processes are wanted now", len(self.places))
        self._arrange()  # first: somebody else is to accept before it stops to
        for member in (place.successor, place.current):
            if member is not None:
                self._retire(member)
        self.step()

    def retire_all(self) -> None:
        """Has every process let its connections end by themselves, and none follow."""
        self._end(self._retire)

    def stop(self) -> None:
        """Has every process stop, and none follow."""
        self._end(self._stop)

    def stop_now(self) -> None:
        """Has every process end at once."""
        self._end(self._stop_now)

    def _end(self, how: Callable[[Member], object]) -> None:
        self._ending = True
        self._rolling.clear()
        for member in list(self.members.values()):
            how(member)

    # What happens.

    def ready(self, pid: int) -> None:
        """A process has booted, and accepts."""
        member = self.members.get(pid)
        if member is None:
            return
        now = self._clock()
        member.heard = member.booted = now
        if not member.moves(Event.READY) or member.state is not State.SERVING:
            return
        self._ever_booted = True
        place = self.places[member.number]
        if member is place.successor:
            place.successor, former = None, place.current
            place.current = member
            if former is not None:
                self._retire(former)
            self._rolled(place)
        place.vacant_since = math.inf
        self._logger.info("%s serves", member)
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
        self._tell_of(member, before, status, last_words)
        place = self.places[member.number] if member.number < len(self.places) else None
        if place is not None and member is place.successor:
            place.successor = None
            if before is State.BOOTING:
                self._rolling.clear()
                self._logger.error("%s stays, and nothing more is replaced", place.current)
        elif place is not None and member is place.current:
            self._lost(place, member, before, status)
        if not self._ending:
            self.step()

    def _lost(self, place: Place, member: Member, before: State, status: int) -> None:
        """The process of a place has died."""
        now = self._clock()
        place.current, place.successor = place.successor, None
        if place.current is not None:
            self._rolled(place)  # what was to follow is there already
        if place.vacant_since == math.inf:
            place.vacant_since = now
        place.due = now + place.back_off.delay(now - member.started)
        if self._ending:
            return
        self.restarts += 1
        if before is State.BOOTING and not self._ever_booted:
            self._failed_to_boot(f"the last one {_status(status)}")

    def _failed_to_boot(self, last: str) -> None:
        self._tries += 1
        if self._tries >= _TRIES:
            self.failure = f"no process has booted in {self._tries} tries: {last}"
            self.stop()

    def _tell_of(self, member: Member, before: State, status: int, last_words: str) -> None:
        if before.ends and before is not State.KILLED and status == 0:
            self._logger.info("%s has ended", member)
            return
        level = logging.INFO if before.ends and not last_words else logging.ERROR
        when = "while booting " if before is State.BOOTING else ""
        words = f": {last_words}" if last_words else ""
        self._logger.log(level, "%s %s%s%s", member, when, _status(status), words)

    # What follows.

    def next_due(self) -> float:
        """Returns when ``step`` is to be called though nothing happens; infinite for never."""
        due = [math.inf]
        for member in self.members.values():
            due += (member.ends_by, member.hangs_since() + self._pace.hang)
        if not self._ending:
            somebody = any(self.serving())
            for place in self.places:
                if place.current is None and (self._ever_booted or place.number == 0):
                    due.append(place.due)
                if somebody and place.number in self._yard.numbers and not place.lent:
                    due.append(place.vacant_since + _VACANT)
        return min(due)

    def step(self) -> None:
        """Does what is due by now."""
        self._end_overdue()
        if not self._ending:
            self._roll()
            self._fill()
        if not self._ending:
            self._arrange()

    def _end_overdue(self) -> None:
        now = self._clock()
        for member in list(self.members.values()):
            if member.state is State.KILLED:
                if now >= member.ends_by:  # an abort that does not come to its end, as with a large core
                    member.ends_by = now + self._pace.stop
                    self._yard.kill(member, _KILL)
            elif now >= member.hangs_since() + self._pace.hang:
                silent = now - member.hangs_since()
                where = f" in {member.where}" if member.where else ""
                self._logger.critical("%s hangs%s for %.1f s: it is ended", member, where, silent)
                self._kill(member, _ABORT)
            elif now >= member.ends_by:
                self._logger.critical("%s has not ended in its time: it is killed", member)
                self._kill(member, _KILL)

    def _roll(self) -> None:
        """Replaces the process of the next place, if none is being replaced."""
        while self._rolling and not any(place.successor for place in self.places):
            place = self.places[self._rolling[0]]
            if place.serves and place.current is not None:
                place.successor = self._started(place, set(place.current.listeners))
                if place.successor is None:
                    self._rolling.clear()
                    self._logger.error("%s stays, and nothing more is replaced", place.current)
                return
            if place.current is not None:  # it may have begun with what is to be replaced
                self._retire(place.current)
                place.current = None
            place.back_off.reset()
            place.due = self._clock()
            self._rolled(place)

    def _rolled(self, place: Place) -> None:
        self._rolling = [number for number in self._rolling if number != place.number]

    def _fill(self) -> None:
        """Starts a process in each place that has none, as far as that is due."""
        for place in self.places if self._ever_booted else self.places[:1]:
            if place.current is None and self._clock() >= place.due and not self._ending:
                place.current = self._started(place, {place.number} & self._yard.numbers)

    def _started(self, place: Place, listeners: set[int]) -> Member | None:
        try:
            pid = self._yard.start(place.number, listeners)
        except OSError as error:
            self._logger.error("process %d could not be started: %s", place.number, error)
            place.due = self._clock() + place.back_off.delay(0)
            if not self._ever_booted:
                self._failed_to_boot(f"the last one could not be started: {error}")
            return None
        member = Member(place.number, pid, self._clock(), listeners)
        self.members[pid] = member
        return member

    def _arrange(self) -> None:
        """Sees to it that somebody accepts from each listener, and in the end only whose it is.

        Listeners of a place without a process are lent: what waits in their backlogs would wait for long
        otherwise, and be reset if they were closed.
        """
        now = self._clock()
        for number in sorted(self._yard.numbers):
            place = self.places[number] if number < len(self.places) else None
            keepers = [member for member in self.serving() if number in member.listeners]
            if place is not None and place.serves:
                place.lent = False
                for member in keepers:
                    if member is not place.current:
                        member.listeners.discard(number)
                        self._yard.tell(member, "release", number)
            elif not keepers and (place is None or now - place.vacant_since >= _VACANT):
                free = min(self.serving(), key=lambda member: len(member.listeners), default=None)
                if free is not None:
                    free.listeners.add(number)
                    self._yard.tell(free, "adopt", number)
                if place is not None:
                    place.lent = free is not None

    def _retire(self, member: Member) -> None:
        if member.moves(Event.RETIRE):
            if member.state is State.DRAINING:
                member.ends_by = self._clock() + self._pace.drain + self._pace.stop
                self._yard.tell(member, "drain", self._pace.drain)
            else:
                self._ask_to_stop(member)

    def _stop(self, member: Member) -> None:
        if member.moves(Event.STOP):
            self._ask_to_stop(member)

    def _ask_to_stop(self, member: Member) -> None:
        member.ends_by = self._clock() + self._pace.stop
        self._yard.tell(member, "stop")

    def _stop_now(self, member: Member) -> None:
        member.moves(Event.STOP)
        member.ends_by = min(member.ends_by, self._clock() + _AT_ONCE)
        self._yard.tell(member, "stop_now")

    def _kill(self, member: Member, number: int) -> None:
        member.moves(Event.KILL)
        member.ends_by = self._clock() + self._pace.stop
        self._yard.kill(member, number)


def _status(status: int) -> str:
    """Says how a process has ended."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
