"""Descriptors: the numbers by which programs know the sockets of simulated kernels."""

from __future__ import annotations

import errno
import heapq

from netcore.testing.simulation.net.endpoint import Endpoint
from netcore.testing.simulation.net.failures import failure

__all__ = ["FIRST_DESCRIPTOR", "Descriptors", "OpenSocket"]

FIRST_DESCRIPTOR = 1 << 20
"""Above all that the process has itself: what is no simulated socket's is a mistake that can be told."""


class OpenSocket:
    """What a descriptor and its duplicates have in common; an open file description of open(2).

    Attributes:
        endpoint: The socket.
        owner: The name of the host whose it is.
        blocks: Whether O_NONBLOCK is off.
        references: How many descriptors there are.
    """

    __slots__ = ("blocks", "endpoint", "owner", "references")

    def __init__(self, endpoint: Endpoint, owner: str) -> None:
        self.endpoint: Endpoint = endpoint
        self.owner: str = owner
        self.blocks: bool = True
        self.references: int = 0


class Descriptors:
    """The open descriptors of all hosts of a world: one table, so that a number says whose it is.

    Attributes:
        table: What each descriptor stands for; to be read only.
        inheritable: Those of which FD_CLOEXEC is off.
    """

    def __init__(self) -> None:
        self.table: dict[int, OpenSocket] = {}
        self.inheritable: set[int] = set()
        self._free: list[int] = []  # a heap of numbers that were given back
        self._next = FIRST_DESCRIPTOR

    def __len__(self) -> int:
        return len(self.table)

    def add(self, socket: OpenSocket) -> int:
        """Gives an open socket a descriptor, the lowest that is free."""
        if self._free:
            fd = heapq.heappop(self._free)
        else:
            fd = self._next
            self._next += 1
        socket.references += 1
        self.table[fd] = socket
        return fd

    def get(self, fd: int) -> OpenSocket:
        """Returns what a descriptor stands for.

        Raises:
            OSError: It is closed (EBADF).
        """
        found = self.table.get(fd)
        if found is None:
            raise failure(errno.EBADF)
        return found

    def remove(self, fd: int) -> OpenSocket:
        """Closes a descriptor.

        Raises:
            OSError: It is closed (EBADF).
        """
        found = self.get(fd)
        del self.table[fd]
        self.inheritable.discard(fd)
        heapq.heappush(self._free, fd)
        found.references -= 1
        return found

    def of(self, owner: str) -> list[int]:
        """Returns the descriptors of a host."""
        return [fd for fd, socket in self.table.items() if socket.owner == owner]
