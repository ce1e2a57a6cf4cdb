"""A trace of a world that never was: a leader with followers, clients, a partition and a crash."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from itertools import count

from netcore.testing.simulation.trace import Trace

FOLLOWERS = ("beta", "gamma")
NODES = ("alpha", *FOLLOWERS)


class Clock:
    now = 0.0


class MadeUp:
    """Plays it, as a simulation would note it."""

    def __init__(self, events: int = 2000, limit: int | None = 100_000, seed: int = 42) -> None:
        self.clock = Clock()
        self.trace = Trace(self.clock, limit, seed)
        self._random = random.Random(seed)
        self._planned: list[tuple[float, int, Callable[..., object], tuple[object, ...]]] = []
        self._order = count()
        self._cut: set[frozenset[str]] = set()
        self._down: set[str] = set()
        self._faults(events / 400)
        for client in ("client-1", "client-2"):
            self._later(0.01, self._open, client)
        while self.trace.count < events:
            self.clock.now, _, function, args = heapq.heappop(self._planned)
            function(*args)

    def _later(self, delay: float, function: Callable[..., object], *args: object) -> None:
        heapq.heappush(self._planned, (self.clock.now + delay, next(self._order), function, args))

    def _latency(self) -> float:
        return 0.004 + self._random.expovariate(500)

    def _faults(self, length: float) -> None:
        for share, kind, host, peer in (
            (0.25, "partition", "alpha", "gamma"),
            (0.45, "heal", "alpha", "gamma"),
            (0.55, "crash", "beta", ""),
            (0.75, "restart", "beta", ""),
            (0.85, "jump", "gamma", ""),
        ):
            self._later(share * length, self._fault, kind, host, peer)

    def _fault(self, kind: str, host: str, peer: str) -> None:
        change = {"partition": self._cut.add, "heal": self._cut.discard}.get(kind)
        if change is not None:
            change(frozenset((host, peer)))
        if kind == "crash":
            self._down.add(host)
        if kind == "restart":
            self._down.discard(host)
        self.trace.note(kind, host, peer, detail="by 1.5 s" if kind == "jump" else "")

    def _send(
        self,
        kind: str,
        arrival: str,
        source: str,
        target: str,
        flow: str,
        size: int,
        then: Callable[[int], object],
    ) -> None:
        sent = self.trace.note(kind, source, target, flow, "", size, data=bytes(size))
        lost = frozenset((source, target)) in self._cut or self._random.random() < 0.01
        if lost or target in self._down:
            self.trace.note("drop", source, target, flow, "no way" if not lost else "lost", size, sent)
            if kind != "datagram":
                self._later(0.2, self._again, source, target, flow, size, then)
            return
        self._later(self._latency(), self._arrive, arrival, source, target, flow, size, sent, then)

    def _again(self, source: str, target: str, flow: str, size: int, then: Callable[[int], object]) -> None:
        if source not in self._down:
            self._send("retransmit", "deliver", source, target, flow, size, then)

    def _arrive(
        self,
        kind: str,
        source: str,
        target: str,
        flow: str,
        size: int,
        sent: int,
        then: Callable[[int], object],
    ) -> None:
        if target in self._down:
            self.trace.note("drop", target, source, flow, "the host is down", size, sent)
            return
        then(self.trace.note(kind, target, source, flow, "", size, sent))

    def _open(self, client: str) -> None:
        flow = f"{client}:49152 > alpha:7000"
        asked = self.trace.note("connect", client, "alpha", flow)
        self._later(self._latency(), self._accepted, client, flow, asked)

    def _accepted(self, client: str, flow: str, asked: int) -> None:
        accepted = self.trace.note("accept", "alpha", client, flow, cause=asked)
        self.trace.note("open", "alpha", client, flow, "Register.on_open")
        self._later(self._latency(), self._opened, client, flow, accepted)

    def _opened(self, client: str, flow: str, accepted: int) -> None:
        self.trace.note("accept", client, "alpha", flow, cause=accepted)
        self.trace.note("open", client, "alpha", flow, "Writer.on_open")
        self._ask(client, flow)

    def _ask(self, client: str, flow: str) -> None:
        self._send("send", "deliver", client, "alpha", flow, 64, lambda _: self._asked(client, flow))

    def _asked(self, client: str, flow: str) -> None:
        self.trace.note("traffic", "alpha", client, flow, "Register.on_traffic")
        for follower in FOLLOWERS:
            line = f"alpha:7946 > {follower}:7946"
            self._send(
                "datagram",
                "arrive",
                "alpha",
                follower,
                line,
                96,
                lambda _, follower=follower: self._replicated(follower),
            )
        self._send("send", "deliver", "alpha", client, flow, 1480, lambda _: self._answered(client, flow))

    def _replicated(self, follower: str) -> None:
        self.trace.note("job", follower, detail="write the log to disk")
        line = f"{follower}:7946 > alpha:7946"
        self._send("datagram", "arrive", follower, "alpha", line, 32, lambda _: None)

    def _answered(self, client: str, flow: str) -> None:
        self.trace.note("traffic", client, "alpha", flow, "Writer.on_traffic")
        if self._random.random() < 0.004:
            self.trace.note("error", client, flow=flow, detail="AssertionError: read 41, wrote 42")
        self._later(self._random.uniform(0.02, 0.05), self._ask, client, flow)
