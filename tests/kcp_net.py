"""Two ends of a conversation, and a line between them that loses, doubles, delays and spoils, by a seed."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

from netcore.kcp import KcpOptions
from netcore.kcp.session import Kcp

__all__ = ["Kind", "Line", "Net", "begin_at"]

Kind = type[Kcp]
"""A half: the one in Python, or that in C, which has the same methods."""


def begin_at(kcp: Kcp, number: int) -> None:
    """Has an end count from a number on, as if so many segments had come and gone."""
    kcp._outbound.unacknowledged = kcp._outbound.next = kcp._inbound.next = kcp._told = number


@dataclass(frozen=True)
class Line:
    """What becomes of datagrams: shares of all of them, and seconds."""

    loss: float = 0.0
    doubled: float = 0.0
    spoiled: float = 0.0
    delay: float = 0.02
    jitter: float = 0.0


class Net:
    """Runs the time of both ends, in steps from one thing that happens to the next.

    The second of them may be one that does not trust the address of the first.
    """

    def __init__(
        self,
        kind: Kind,
        line: Line | None = None,
        options: KcpOptions | None = None,
        others: KcpOptions | None = None,
        seed: int = 0,
        conversation: int = 7,
        start: float = 100.0,
        *,
        epochs: tuple[int, int] = (0, 0),
        unproven: bool = False,
    ) -> None:
        self.line = line or Line()
        self.now = start
        self.random = random.Random(seed)
        self.sent: list[tuple[float, int, bytes]] = []
        self.refused = 0
        self.surplus = [0, 0]  # bytes that an end has got more than it has sent
        self.updates = 0
        self._under_way: list[tuple[float, int, int, bytes]] = []
        options = options or KcpOptions()
        self.options = (options, others or options)
        self.ends = [
            kind(conversation, self._sender(0), self.options[0], epoch=epochs[0]),
            kind(conversation, self._sender(1), self.options[1], epoch=epochs[1], unproven=unproven),
        ]

    def _sender(self, end: int) -> Callable[[bytes], None]:
        def send(datagram: bytes) -> None:
            assert 0 < len(datagram) <= self.options[end].mtu
            self.sent.append((self.now, end, datagram))
            self.surplus[end] -= len(datagram)
            assert self.surplus[end] >= 0 or self.ends[end].proven
            line, chance = self.line, self.random.random
            for _ in range(1 + (chance() < line.doubled)):
                if chance() < line.loss:
                    continue
                copy = self._spoil(datagram) if chance() < line.spoiled else datagram
                arrives = self.now + line.delay + line.jitter * chance()
                heapq.heappush(self._under_way, (arrives, len(self.sent), 1 - end, copy))

        return send

    def _spoil(self, datagram: bytes) -> bytes:
        # UDP's checksum finds such things: what is left is what somebody has forged.
        spoiled = bytearray(datagram[: self.random.randint(1, len(datagram))])
        spoiled[self.random.randrange(min(len(spoiled), 5))] ^= 1 << self.random.randrange(8)
        return bytes(spoiled)

    def step(self, longest: float = 1000.0) -> None:
        """Goes to the next thing that happens, `longest` seconds from now at the latest."""
        times = [end.next_update(self.now) for end in self.ends]
        times += [self._under_way[0][0]] if self._under_way else []
        assert min(times) >= self.now
        self.now = min(*times, self.now + longest)
        while self._under_way and self._under_way[0][0] <= self.now:
            _, _, end, datagram = heapq.heappop(self._under_way)
            try:
                self.ends[end].input(datagram, self.now)
            except ValueError:
                self.refused += 1
            else:
                self.surplus[end] += len(datagram)
        for end in self.ends:
            end.update(self.now)
        self.updates += 1

    def run_for(self, seconds: float) -> None:
        """Lets time pass."""
        until = self.now + seconds
        while self.now < until:
            self.step(until - self.now)

    def take(self, end: int) -> list[bytes]:
        """Receives all that is there."""
        return list(iter(self.ends[end].receive, None))
