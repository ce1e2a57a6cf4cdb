"""What a load balancer is: it picks a loop for a connection, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from netcore.address import Address

__all__ = ["LoadBalancer", "Loop", "LoopT"]


class Loop(Protocol):
    """What a balancer sees of an event loop."""

    @property
    def index(self) -> int:
        """The position among the loops."""

    @property
    def connection_count(self) -> int:
        """The connections it has, those on their way to it included."""


LoopT = TypeVar("LoopT", bound=Loop)


class LoadBalancer(Protocol):
    """Spreads connections over the loops of an engine.

    ``pick`` is called by one thread at a time, unless the same object serves several engines.
    """

    def pick(self, loops: Sequence[LoopT], remote: Address | None) -> LoopT:
        """Chooses one of the loops.

        Args:
            loops: At least one, in the order of their indices.
            remote: The peer's address; None if there is none.
        """
