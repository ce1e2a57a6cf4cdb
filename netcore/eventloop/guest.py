"""A loop of another kind on the thread of a loop."""

from __future__ import annotations

import abc
from typing import Protocol

__all__ = ["Guest"]


class Guest(Protocol):
    """A loop that takes the turns of the one whose thread it is on, instead of waiting."""

    @abc.abstractmethod
    def run(self) -> None:
        """Takes turns until the loop has finished, and ends in order by then. The body of the thread.

        It may raise what a turn does, and an exit such as SystemExit; after the latter it is called again.
        """

    @abc.abstractmethod
    def step(self) -> bool:
        """Does what there is to do without waiting, instead of ``run``, for who has no thread to spare.

        Returns:
            Whether it goes on; else it has ended as ``run`` does.
        """

    @abc.abstractmethod
    def next_due(self) -> float | None:
        """Returns when a step is due even if nothing becomes ready; see ``Loop.next_deadline``."""

    @abc.abstractmethod
    def end(self) -> None:
        """Ends what ``run`` has not ended, when the loop takes no more turns; it may be done."""

    @abc.abstractmethod
    def abandon(self) -> None:
        """Makes it inert, in a forked child."""
