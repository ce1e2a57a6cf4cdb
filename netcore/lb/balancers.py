"""The load balancers that come with netcore."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Sequence

from netcore.address import Address
from netcore.lb.protocol import LoopT

__all__ = ["LeastConnections", "RoundRobin", "SourceAddressHash"]


class RoundRobin:
    """Takes the loops in turn."""

    def __init__(self) -> None:
        self._turn = itertools.count()

    def pick(self, loops: Sequence[LoopT], remote: Address | None) -> LoopT:
        """See ``LoadBalancer.pick``."""
        return loops[next(self._turn) % len(loops)]


class LeastConnections:
    """Takes the loop with the fewest connections, the first of them on a tie."""

    def pick(self, loops: Sequence[LoopT], remote: Address | None) -> LoopT:
        """See ``LoadBalancer.pick``."""
        return min(loops, key=lambda loop: loop.connection_count)


class SourceAddressHash:
    """Takes the same loop for the same peer host, whatever its port.

    The hash is CRC-32 of the host's text, so that it is the same in every process. Peers of a Unix
    socket all have the same empty host, and so the same loop.
    """

    def pick(self, loops: Sequence[LoopT], remote: Address | None) -> LoopT:
        """See ``LoadBalancer.pick``."""
        host = "" if remote is None else remote.host
        return loops[zlib.crc32(host.encode()) % len(loops)]
