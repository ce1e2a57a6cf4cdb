"""Who has which UDP port of a host, and whose a datagram is."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol
from zlib import crc32

from netcore.testing.simulation.net.addresses import ANY, IPName, version_of
from netcore.testing.simulation.net.failures import failure

__all__ = ["Bound", "Datagram", "DatagramPorts"]

_PORTS = 16384
"""How many ports there are for those who do not care."""


class Datagram(NamedTuple):
    """A datagram under way.

    Attributes:
        data: The payload.
        source: From where it was sent.
        target: To where.
        host: The name of the host that has sent it.
        flow: The same in the trace's words.
        number: Of the event that its sending was.
    """

    data: bytes
    source: IPName
    target: IPName
    host: str
    flow: str
    number: int


class Bound(Protocol):
    """A datagram socket that has a port.

    Attributes:
        local: Its address, perhaps an unspecified one, and its port.
        remote: The peer it is connected to; None if it takes datagrams from everybody.
        versions: Of which versions of IP it takes datagrams: 4, 6, or both.
        reuse_address: SO_REUSEADDR, which of datagram sockets all have to set that share a port.
        reuse_port: SO_REUSEPORT, likewise; then the flows are spread over them.
    """

    local: IPName
    remote: IPName | None
    versions: tuple[int, ...]
    reuse_address: bool
    reuse_port: bool

    def arrive(self, datagram: Datagram) -> None:
        """Takes a datagram, or drops it if there is no room."""

    def fail(self, code: int) -> None:
        """Learns, by an errno, why something that it has sent was not received."""


class DatagramPorts:
    """The UDP ports of one kernel."""

    def __init__(self) -> None:
        self._bound: dict[int, list[Bound]] = {}  # of a port, who has it, the latest first

    def bind(self, port: Bound, draw: Callable[[], int]) -> None:
        """Gives a socket the port in its ``local``; if that is 0, one that is free, which then stands there.

        Args:
            port: The socket.
            draw: Gives numbers of ports that may be free, each at most once in a round.

        Raises:
            OSError: EADDRINUSE: somebody has it, or there is none.
        """
        ip, number = port.local
        if number:
            if self._taken(port, number):
                raise failure(errno.EADDRINUSE)
        else:
            number = next((each for each in _round(draw) if each not in self._bound), 0)
            if not number:
                raise failure(errno.EADDRINUSE)
            port.local = ip, number
        self._bound.setdefault(number, []).insert(0, port)

    def unbind(self, port: Bound) -> None:
        """Takes a socket's port from it."""
        holders = self._bound[port.local[1]]
        holders.remove(port)
        if not holders:
            del self._bound[port.local[1]]

    def _taken(self, port: Bound, number: int) -> bool:
        return any(
            _overlap(port, other)
            and not (port.reuse_address and other.reuse_address)
            and not (port.reuse_port and other.reuse_port)
            for other in self._bound.get(number, ())
        )

    def receiver(self, source: IPName, target: IPName) -> Bound | None:
        """Returns whose a datagram is that was sent to one address; None if it is nobody's.

        The one that is connected to its sender comes before those that are not, one that is bound to the
        address before those that are to every address, and IPv4 sockets before those of both versions, as
        Linux has it. Of several that are equal, the flow picks one if they share the port by SO_REUSEPORT;
        otherwise it is the one that was bound last.
        """
        holders = self._bound.get(target[1])
        if holders is None:
            return None
        version = version_of(target[0])
        best: list[Bound] = []
        highest = 0
        for holder in holders:
            score = _score(holder, source, target, version)
            if score > highest:
                highest, best = score, [holder]
            elif score and score == highest and holder.reuse_port and best[0].reuse_port:
                best.append(holder)
        if len(best) < 2 or best[0].remote is not None:
            return best[0] if best else None
        return best[-1 - crc32(f"{source} {target}".encode()) % len(best)]

    def receivers(self, source: IPName, target: IPName) -> list[Bound]:
        """Returns whose a datagram is that was sent to everybody or to a group: all that it fits."""
        version = version_of(target[0])
        holders = reversed(self._bound.get(target[1], []))
        return [holder for holder in holders if _score(holder, source, target, version)]


def _round(draw: Callable[[], int]) -> Iterator[int]:
    return (draw() for _ in range(_PORTS))


def _score(holder: Bound, source: IPName, target: IPName, version: int) -> int:
    """Returns how well a socket fits, 0 for not at all."""
    if version not in holder.versions:
        return 0
    score = 2 if holder.versions == (4,) else 1
    if holder.local[0] == target[0]:
        score += 4
    elif holder.local[0] not in ANY:
        return 0
    if holder.remote is not None:
        if holder.remote != source:
            return 0
        score += 8
    return score


def _overlap(one: Bound, other: Bound) -> bool:
    """Whether a datagram could be for both."""
    if not set(one.versions) & set(other.versions):
        return False
    ip, other_ip = one.local[0], other.local[0]
    return ip == other_ip or ip in ANY or other_ip in ANY
