"""Who has which port of a host: for binding, for choosing, and for finding who listens."""

from __future__ import annotations

import errno
import heapq
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar
from zlib import crc32

from netcore.testing.simulation.net.addresses import ANY, version_of
from netcore.testing.simulation.net.failures import failure

__all__ = ["FIRST_EPHEMERAL", "Holder", "Listeners", "Listening", "Ports", "balanced", "overlap"]

FIRST_EPHEMERAL = 49152
"""The first of the ports that are given to who asks for none (RFC 6335, section 6)."""

_LAST = 65535


class Holder(Protocol):
    """A socket with a port.

    Attributes:
        ip: Its local address in canonical form; one of ``ANY`` for every address.
        only_ipv6: Of one that is bound to "::", whether it leaves IPv4 to others.
    """

    ip: str
    only_ipv6: bool

    def may_share(self, other: Holder) -> bool:
        """Whether both may have the port at the same address."""

    def vanish(self) -> None:
        """See ``Endpoint.vanish``."""


def overlap(one: Holder, other: Holder) -> bool:
    """Whether two local addresses have one in common."""
    mine, theirs = one.ip, other.ip
    if mine == theirs:
        return True
    if mine in ANY and theirs in ANY:  # 0.0.0.0 and ::
        return not (one.only_ipv6 if mine == "::" else other.only_ipv6)
    if mine in ANY:
        return version_of(mine) == version_of(theirs) or (mine == "::" and not one.only_ipv6)
    return theirs in ANY and overlap(other, one)


HolderT = TypeVar("HolderT", bound=Holder)


def balanced(group: Sequence[HolderT], flow: str) -> HolderT:
    """Chooses among sockets that share a port: always the same one for the same flow."""
    return group[0] if len(group) == 1 else group[crc32(flow.encode()) % len(group)]


class Ports:
    """The ports of one host and protocol."""

    def __init__(self) -> None:
        self._held: dict[int, dict[Holder, None]] = {}
        self._free: list[int] = []  # a heap of those that were given back
        self._next = FIRST_EPHEMERAL

    def claim(self, holder: Holder, port: int) -> None:
        """Gives a port to a socket.

        Raises:
            OSError: Somebody has it who does not share it (EADDRINUSE).
        """
        held = self._held.get(port)
        if held is not None:
            for other in held:
                if other is not holder and overlap(holder, other) and not holder.may_share(other):
                    raise failure(errno.EADDRINUSE)
        self.enter(holder, port)

    def enter(self, holder: Holder, port: int) -> None:
        """Adds one that has the port already, such as a connection that a listener has accepted."""
        self._held.setdefault(port, {})[holder] = None

    def release(self, holder: Holder, port: int) -> None:
        """Takes a port back. Idempotent."""
        held = self._held.get(port)
        if held is None or holder not in held:
            return
        del held[holder]
        if not held:
            del self._held[port]
            if port >= FIRST_EPHEMERAL:
                heapq.heappush(self._free, port)

    def holders(self, port: int) -> Sequence[Holder]:
        """Returns who has a port, in the order in which they have got it."""
        return tuple(self._held.get(port, ()))

    def everybody(self) -> list[Holder]:
        """Returns all who have a port, also those that no program knows (any more)."""
        return [holder for held in self._held.values() for holder in held]

    def ephemeral(self, code: int) -> int:
        """Returns the lowest port of those for everybody that nobody has.

        Args:
            code: The errno where none is left.
        """
        free = self._free
        while free and free[0] in self._held:
            heapq.heappop(free)
        while self._next in self._held:
            self._next += 1
        if free and free[0] < self._next:
            return heapq.heappop(free)
        if self._next > _LAST:
            raise failure(code)
        return self._next


class Listening(Holder, Protocol):
    """One that listens."""


ListeningT = TypeVar("ListeningT", bound=Listening)


class Listeners(Generic[ListeningT]):
    """Who listens on which port of one host."""

    def __init__(self) -> None:
        self._by_port: dict[int, list[ListeningT]] = {}

    def add(self, listener: ListeningT, port: int) -> None:
        """Adds one."""
        self._by_port.setdefault(port, []).append(listener)

    def remove(self, listener: ListeningT, port: int) -> None:
        """Removes one. Idempotent."""
        group = self._by_port.get(port, [])
        if listener in group:
            group.remove(listener)
            if not group:
                del self._by_port[port]

    def find(self, ip: str, port: int, flow: str) -> ListeningT | None:
        """Finds who takes what comes to an address: the one that is bound the most closely.

        Args:
            ip: Where to, in canonical form.
            port: Where to.
            flow: What spreads connections among those who share the port.
        """
        group = self._by_port.get(port)
        if group is None:
            return None
        version = version_of(ip)
        closest = [each for each in group if each.ip == ip]
        closest = closest or [each for each in group if each.ip == ANY[version == 6]]
        if not closest and version == 4:
            closest = [each for each in group if each.ip == "::" and not each.only_ipv6]
        return balanced(closest, flow) if closest else None
