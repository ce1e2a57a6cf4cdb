"""Two ends of a conversation, and a line between them that loses, doubles, delays and spoils, by a seed."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hypothesis import strategies as st

from netcore.kcp import KcpOptions
from netcore.kcp.session import Kcp

__all__ = ["LINES", "OPTIONS", "TIRELESS", "Kind", "Line", "Net", "begin_at"]

TIRELESS = 10_000
"""A dead_link that does not come about."""

Kind = type[Kcp]
"""A half: the one in Python, or that in C, which has the same methods."""


def begin_at(kcp: Kcp, number: int) -> None:
    """Has an end count from a number on, as if so many segments had come and gone."""
    if isinstance(kcp, Kcp):
        kcp._outbound.unacknowledged = kcp._outbound.next = kcp._inbound.next = kcp._told = number
    else:
        kcp._begin_at(number)


@dataclass(frozen=True)
class Line:
    """What becomes of datagrams: shares of all of them, and seconds."""

    loss: float = 0.0
    doubled: float = 0.0
    spoiled: float = 0.0
    delay: float = 0.02
    jitter: float = 0.0

    def carry(self, datagram: bytes, source: random.Random) -> Iterator[tuple[float, bytes]]:
        """Yields what arrives of a datagram, and after how many seconds: nothing, or once, or twice."""
        chance = source.random
        for _ in range(1 + (chance() < self.doubled)):
            if chance() < self.loss:
                continue
            copy = _spoil(datagram, source) if chance() < self.spoiled else datagram
            yield self.delay + self.jitter * chance(), copy


def _spoil(datagram: bytes, source: random.Random) -> bytes:
    # UDP's checksum finds such things: what is left is what somebody has forged.
    spoiled = bytearray(datagram[: source.randint(1, len(datagram))])
    spoiled[source.randrange(min(len(spoiled), 5))] ^= 1 << source.randrange(8)
    return bytes(spoiled)


LINES = st.builds(
    Line,
    loss=st.floats(0, 0.5),
    doubled=st.floats(0, 0.5),
    spoiled=st.floats(0, 0.3),
    delay=st.floats(0, 0.2),
    jitter=st.floats(0, 0.3),
)
OPTIONS = st.builds(
    KcpOptions,
    no_delay=st.sampled_from([False, True, 2]),
    interval=st.sampled_from([0.001, 0.01, 0.1]),
    fast_resend=st.integers(0, 3),
    congestion_control=st.booleans(),
    send_window=st.integers(1, 64),
    receive_window=st.integers(1, 64),
    mtu=st.sampled_from([50, 100, 576, 1400]),
    stream=st.just(True),
    dead_link=st.just(TIRELESS),
)


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
            for takes, copy in self.line.carry(datagram, self.random):
                heapq.heappush(self._under_way, (self.now + takes, len(self.sent), 1 - end, copy))

        return send

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
