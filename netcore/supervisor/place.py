"""A place in the fleet, which a process fills."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from netcore.supervisor.backoff import BackOff
from netcore.supervisor.member import Member
from netcore.supervisor.states import State

__all__ = ["Place"]


@dataclass(eq=False, slots=True)
class Place:
    """A place in the fleet.

    Attributes:
        number: Which, from 0 on.
        vacant_since: Since when none serves here; infinite if one does.
        current: The process that fills it, or is about to.
        successor: The one that is to take its place, and boots.
        due: When the next one is started if there is none.
        back_off: How long to wait after a death.
    """

    number: int
    vacant_since: float
    current: Member | None = None
    successor: Member | None = None
    due: float = -math.inf
    back_off: BackOff = field(default_factory=BackOff)

    @property
    def serves(self) -> bool:
        """Whether its process accepts connections."""
        return self.current is not None and self.current.state is State.SERVING

    def look(self, now: float) -> None:
        """Notes since when none serves here."""
        self.vacant_since = math.inf if self.serves else min(self.vacant_since, now)
