"""The sockets of a loop: each is taken over, and closed, in one place.

A connected one's place under ``Options.max_connections`` is tied to it: whoever closes it, be it a
connection that ends, a dial or a phase that fails, or a step that was refused, gives the place back by that,
and nobody else does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from netcore.connection import Host
from netcore.eventloop.gate import Gate
from netcore.sockets import Sockets

__all__ = ["Descriptors"]


class _Owner(Host, Protocol):
    """What is needed of the loop."""

    sockets: Sockets


class Descriptors:
    """Takes descriptors over from the sockets and closes them. On the loop's thread.

    Args:
        owner: The loop.
        gate: Who gives places; None if there is no limit.
    """

    def __init__(self, owner: _Owner, gate: Gate | None) -> None:
        self._owner = owner
        self._gate = gate
        self._placed: set[int] = set()

    def admit(self, fd: int) -> None:
        """Takes over what was accepted, with the place that was taken for it.

        Raises:
            Exception: The sockets refuse it. It is closed then.
        """
        if self._gate is not None:
            self._placed.add(fd)
        try:
            self._owner.sockets.attach(fd)
        except BaseException:
            self.reset(fd)
            raise

    def add(self, fd: int) -> None:
        """Takes a place, free or not, for an attached descriptor that this side has connected."""
        if self._gate is not None:
            self._placed.add(fd)
            self._gate.add(1)

    def give_up(self, fd: int) -> bool:
        """Leaves one, with its place, to another loop; returns whether it has one."""
        has_place = fd in self._placed
        self._placed.discard(fd)
        return has_place

    def take(self, fd: int, has_place: bool) -> None:
        """Takes over one that another loop has left. Any thread."""
        if has_place:
            self._placed.add(fd)

    def refuse(self, fd: int) -> None:
        """Resets what was accepted, and has got no place."""
        try:
            self._owner.sockets.attach(fd)
        except BaseException as error:  # it is to be closed anyway
            self._owner.charge(None, error)
        self.reset(fd)

    def discard(self, fd: int) -> None:
        """Resets what was accepted, and has got a place that it cannot take."""
        if self._gate is not None:
            self._placed.add(fd)
        self.refuse(fd)

    def close(self, fds: list[int]) -> None:
        """Closes them, orderly where the kernel allows, and gives their places back."""
        if fds:
            close = self._owner.sockets.close
            self._end(fds, close, close)

    def release(self, fds: list[int]) -> None:
        """Closes them, and nothing of what else is open of the sockets; gives their places back."""
        release = self._owner.sockets.release
        self._end(fds, release, release)

    def reset(self, fd: int) -> None:
        """Closes one with RST, and gives its place back."""
        sockets = self._owner.sockets
        self._end([fd], lambda fds: sockets.reset(fds[0]), sockets.close)

    def gone(self, fd: int) -> None:
        """Gives the place of one back that was closed otherwise."""
        self._give_back([fd])

    def _end(
        self,
        fds: list[int],
        end: Callable[[list[int]], object],
        end_one: Callable[[list[int]], object],
    ) -> None:
        """Closes them by one call; if that fails it has closed nothing, and each gets a call of its own."""
        owner = self._owner
        with owner.descriptor_lock:
            try:
                end(fds)
            except BaseException as cause:
                owner.charge(None, cause)
                for fd in fds:
                    try:
                        end_one([fd])
                    except BaseException as error:  # it stays open, and nobody knows how to close it
                        owner.charge(None, error)
        self._give_back(fds)

    def _give_back(self, fds: list[int]) -> None:
        gate = self._gate
        if gate is None:
            return
        placed = self._placed.intersection(fds)
        if placed:
            self._placed -= placed
            gate.give_back(len(placed))
