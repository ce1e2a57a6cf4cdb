"""One process, as the fleet keeps account of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from netcore.supervisor.states import TRANSITIONS, Event, State

__all__ = ["Member"]


@dataclass(eq=False, slots=True)
class Member:
    """A process that was started, until its status is known.

    Attributes:
        number: The place that it fills, from 0 on.
        pid: Its process number.
        listeners: The places whose own listeners it has: its own, and those it looks after for others.
        state: Where it is in its life.
        booted: When its ``on_boot`` had returned; infinite before that.
        ends_by: When it is killed unless it has ended; infinite for never.
        heard: When it last said something.
        stuck: Seconds that the present turn of one of its loops took then.
        where: In which callback, in words; empty if it is not known.
    """

    number: int
    pid: int
    listeners: set[int] = field(default_factory=set)
    state: State = State.BOOTING
    booted: float = math.inf
    ends_by: float = math.inf
    heard: float = math.inf
    stuck: float = 0.0
    where: str = ""

    def __str__(self) -> str:
        return f"process {self.number} ({self.pid})"

    def moves(self, event: Event) -> bool:
        """Moves on by an event, if its state allows it; returns whether it is in another one now."""
        before = self.state
        self.state = TRANSITIONS[before].get(event, before)
        return self.state is not before

    def served(self, now: float) -> float:
        """Returns the seconds since its boot; 0 if it has not booted."""
        return max(now - self.booted, 0.0)

    def hangs_from(self, longest: float) -> float:
        """Returns the time from which it counts as one that hangs; infinite if it does not.

        It says every now and then how its loops are. Only what it says counts, or silence, which is as bad:
        something holds up all threads of it. That a turn which was long at its last word goes on since is
        likely, and no reason to end a process.

        Args:
            longest: Seconds that a turn, or silence, may take.
        """
        if self.booted == math.inf or self.state is State.KILLED:
            return math.inf
        return self.heard if self.stuck >= longest else self.heard + longest
