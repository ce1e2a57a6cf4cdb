"""Simulated hosts without the rest of a simulation: two that are so and so far from each other, and more.

And what tests of real sockets need that are to run on a simulated host as well.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from netcore.testing.simulation import current
from netcore.testing.simulation.net.kernel import Kernel, Network
from netcore.testing.simulation.net.links import Links
from netcore.testing.simulation.net.sockets import SimulatedSocket
from netcore.testing.simulation.scheduler import Scheduler
from netcore.testing.simulation.trace import Event, Trace

__all__ = ["Losing", "Yard", "without"]


class Losing:
    """A probability of loss that is told what to lose.

    Attributes:
        next: How many of the packets that come next are lost.
        rate: The probability with which any other is.
    """

    def __init__(self) -> None:
        self.next = 0
        self.rate = 0.0

    def __call__(self, source: random.Random) -> float:
        """Returns the probability for one packet."""
        if self.next:
            self.next -= 1
            return 1.0
        return self.rate


class Yard:
    """A world of hosts and nothing else, whose events are had one by one.

    Attributes:
        scheduler: Its time.
        network: Its net.
        trace: What has happened.
        links: What lies between hosts; each of "client" and "server" is ``latency`` seconds from the other.
        losing: What is lost in each direction between these.
    """

    def __init__(self, seed: int = 0, latency: float = 0.01) -> None:
        self.scheduler = Scheduler(seed)
        self.trace = Trace(self.scheduler, None)
        self.links = Links(self.scheduler, self.trace)
        self.network = Network(self.scheduler, self.trace, self.links)
        self.kernel: Kernel | None = None
        self.latency = latency
        self._kernels: dict[str, Kernel] = {}
        self.losing = {way: Losing() for way in (("client", "server"), ("server", "client"))}
        for (source, target), losing in self.losing.items():
            self.links.path(source, target).shape(latency=latency, loss=losing)

    def cut(self, *hosts: str, one_way: bool = False) -> None:
        """Cuts both directions between two hosts, or the one from the first to the second."""
        one, other = hosts or ("client", "server")
        self.links.partition(one, other, one_way=one_way)

    def heal(self, *hosts: str) -> None:
        """Undoes ``cut``."""
        one, other = hosts or ("client", "server")
        self.links.heal(one, other)

    def host(self, name: str) -> Kernel:
        """Returns the kernel that a host runs, which is booted if it has to be."""
        kernel = self._kernels.get(name)
        if kernel is None or not kernel.alive:
            kernel = self._kernels[name] = Kernel(self.network, name)
        return kernel

    @contextmanager
    def on(self, name: str) -> Iterator[Kernel]:
        """Has the code in the block be that of a host."""
        before, self.kernel = self.kernel, self.host(name)
        former = current.enter(self)
        try:
            yield self.kernel
        finally:
            current.enter(former)
            self.kernel = before

    def monotonic(self) -> float:
        """See ``World.monotonic``."""
        return self.scheduler.now

    def wait(self, predicate: Callable[[], bool], timeout: float | None, what: str) -> bool:
        """See ``World.wait``."""
        end = None if timeout is None else self.scheduler.now + timeout
        while not predicate():
            following = self.scheduler.next_time()
            if end is not None and (following is None or following > end):
                self.scheduler.advance(end)
                return predicate()
            assert following is not None, f"nothing will ever end the wait for {what}"
            self.scheduler.step()
        return True

    def run(self, seconds: float | None = None) -> None:
        """Has everything happen that happens in so many seconds; None for everything."""
        end = None if seconds is None else self.scheduler.now + seconds
        while (following := self.scheduler.next_time()) is not None and (end is None or following <= end):
            self.scheduler.step()
        if end is not None:
            self.scheduler.advance(end)

    def events(self, *kinds: str) -> list[Event]:
        """Returns what was noted, of some kinds or of all."""
        return [each for each in self.trace if not kinds or each.kind in kinds]

    def socket(self, host: str, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> Any:
        """Makes a socket of a host that does not block."""
        with self.on(host):
            sock = SimulatedSocket(family, kind)
            sock.setblocking(False)
            return sock

    def listener(self, host: str, port: int = 7000, backlog: int = 16, ip: str = "0.0.0.0") -> Any:
        """Listens."""
        sock = self.socket(host)
        sock.bind((ip, port))
        sock.listen(backlog)
        return sock

    def pair(self, client: str = "client", server: str = "server", port: int = 7000) -> tuple[Any, Any]:
        """Connects two hosts; returns the client's socket and the server's, neither of which blocks."""
        listener = self.listener(server, port)
        sock = self.socket(client)
        sock.connect_ex((self.network.addresses(server)[0], port))
        self.run(10 * self.latency)
        with self.on(server):
            accepted, _ = listener.accept()
            accepted.setblocking(False)
            listener.close()
        return sock, accepted


def without(cases: list[Any], *subjects: object) -> list[Any]:
    """Returns what a test is parametrized with but for the cases of some subjects, their first arguments."""
    return [case for case in cases if getattr(case, "values", case)[0] not in subjects]
