"""What a fleet is made of: processes, and the time that they may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from netcore.supervisor.member import Member

__all__ = ["Pace", "Yard"]


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
