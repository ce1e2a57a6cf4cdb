"""What a TCP listener has: connections that are being made, and those that wait to be accepted."""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

__all__ = ["LONGEST_BACKLOG", "Backlog"]

LONGEST_BACKLOG = 4096
"""Connections that can wait at one listener: net.core.somaxconn of Linux."""


class Waiting(Protocol):
    """A connection that waits."""

    def abort(self) -> None:
        """Resets it."""


WaitingT = TypeVar("WaitingT", bound=Waiting)


class Backlog(Generic[WaitingT]):
    """The queue of a listener.

    Args:
        limit: As ``listen`` is given it; one more fits (listen(2), and sk_acceptq_is_full of Linux).

    Attributes:
        closed: Whether it takes no more.
    """

    def __init__(self, limit: int) -> None:
        self._waiting: deque[WaitingT] = deque()
        self.closed: bool = False
        self.resize(limit)

    def resize(self, limit: int) -> None:
        """Changes how many fit; those that are there stay."""
        self._limit = min(limit, LONGEST_BACKLOG) if limit >= 0 else LONGEST_BACKLOG

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether nothing more fits."""
        return len(self._waiting) > self._limit

    def put(self, connection: WaitingT) -> None:
        """Appends one."""
        self._waiting.append(connection)

    def take(self) -> WaitingT | None:
        """Removes the first one; None if there is none."""
        return self._waiting.popleft() if self._waiting else None

    def close(self) -> None:
        """Resets all that wait."""
        self.closed = True
        while self._waiting:
            self._waiting.popleft().abort()
