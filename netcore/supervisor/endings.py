"""How processes come to their end: asked to, in their time, or by a signal."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterable

from netcore.supervisor.member import Member
from netcore.supervisor.states import Event, State
from netcore.supervisor.yard import Pace, Yard

__all__ = ["Endings"]

_AT_ONCE = 1.0
"""Seconds from the order to end at once to SIGKILL."""

_DUMP = 10.0
"""Seconds from a signal to the next one: an abort may write a large core."""

_ABORT = getattr(signal, "SIGABRT", signal.SIGTERM)
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


class Endings:
    """Ends processes, and sees to it that they do end.

    Args:
        yard: Where they are.
        pace: How long they may take.
        clock: Seconds that never go back.
        logger: Where it is told what happens.
    """

    def __init__(self, yard: Yard, pace: Pace, clock: Callable[[], float], logger: logging.Logger) -> None:
        self._yard = yard
        self._pace = pace
        self._clock = clock
        self._logger = logger

    def retire(self, member: Member) -> None:
        """Has it accept no more, and let its connections end by themselves; one that boots gives up."""
        if not member.moves(Event.RETIRE):
            return
        if member.state is State.DRAINING:
            member.ends_by = self._clock() + self._pace.drain + self._pace.stop
            self._yard.tell(member, "drain", self._pace.drain)
        else:
            self._ask_to_stop(member)

    def stop(self, member: Member) -> None:
        """Has it stop as ``Engine.stop`` does."""
        if member.moves(Event.STOP):
            self._ask_to_stop(member)

    def stop_now(self, member: Member) -> None:
        """Has it end at once, in whatever state."""
        member.moves(Event.STOP)
        member.ends_by = min(member.ends_by, self._clock() + _AT_ONCE)
        self._yard.tell(member, "stop_now")

    def next_due(self, members: Iterable[Member]) -> float:
        """Returns when ``end_overdue`` is to be called; there is one member at least."""
        return min(min(member.ends_by, member.hangs_from(self._pace.hang)) for member in members)

    def end_overdue(self, members: Iterable[Member]) -> None:
        """Sends signals to those that hang, or have not ended in their time."""
        now = self._clock()
        for member in members:
            hangs_from = member.hangs_from(self._pace.hang)
            if now >= hangs_from and not self._is_excused(member, now - hangs_from):
                where = f": {member.where}" if member.where else ""
                since = now - member.heard + member.stuck
                self._logger.critical("%s has hung for %.1f s and is ended%s", member, since, where)
                self._kill(member, _ABORT)
            elif now >= member.ends_by:
                if member.state is not State.KILLED:
                    self._logger.critical("%s has not ended in its time: it is killed", member)
                self._kill(member, _KILL)

    def _is_excused(self, member: Member, late: float) -> bool:
        """Whether the silence may be this process's own: stopped and continued, it comes too late."""
        if member.stuck >= self._pace.hang or late <= self._pace.hang / 2:
            return False
        member.heard = self._clock()
        return True

    def _ask_to_stop(self, member: Member) -> None:
        member.ends_by = self._clock() + self._pace.stop
        self._yard.tell(member, "stop")

    def _kill(self, member: Member, number: int) -> None:
        member.moves(Event.KILL)
        member.ends_by = self._clock() + _DUMP
        self._yard.kill(member, number)
