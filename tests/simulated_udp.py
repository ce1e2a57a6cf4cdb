"""UDP sockets to test: those of simulated hosts, and the system's own behind the same methods."""

from __future__ import annotations

import select
import socket
from typing import Any

from netcore.poll import Readiness
from netcore.testing.simulation.net.datagrams import DatagramEndpoint
from netcore.testing.simulation.net.endpoint import Ancillary, Payload, Received
from netcore.testing.simulation.net.links import Links
from netcore.testing.simulation.net.network import Ground, Network
from netcore.testing.simulation.scheduler import Scheduler
from netcore.testing.simulation.trace import Trace

__all__ = ["Net", "RealEndpoint", "RealNet", "SimulatedNet"]


class RealEndpoint:
    """A socket of the system with the methods of ``Endpoint``, as far as the tests use them."""

    def __init__(self, family: int) -> None:
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        for method in ("bind", "listen", "accept", "shutdown", "getsockname", "getpeername", "close"):
            setattr(self, method, getattr(self.sock, method))
        self.setsockopt = self.sock.setsockopt

    def connect(self, name: Any) -> None:
        if name is not None:
            self.sock.connect(name)
            return
        import ctypes

        unspecified = ctypes.create_string_buffer(16)  # sa_family of AF_UNSPEC is 0
        ctypes.CDLL(None, use_errno=True).connect(self.sock.fileno(), unspecified, 16)

    def send(self, data: Payload, flags: int = 0, name: Any = None, ancillary: Ancillary = ()) -> int:
        if name is None:
            return self.sock.sendmsg([data], ancillary, flags)
        return self.sock.sendmsg([data], ancillary, flags, name)

    def receive(self, size: int, flags: int = 0) -> Received:
        room = bytearray(size)
        length, ancillary, told, name = self.sock.recvmsg_into([room], 256, flags)
        ancillary = [(level, kind, data[:12] if level == 0 else data) for level, kind, data in ancillary]
        return Received(bytes(room[: min(length, size)]), name, ancillary, told, length)

    def getsockopt(self, level: int, option: int) -> int:
        return self.sock.getsockopt(level, option)

    def readiness(self) -> int:
        poll = select.poll()
        poll.register(self.sock, select.POLLIN | select.POLLOUT)
        events = dict(poll.poll(0)).get(self.sock.fileno(), 0)
        meanings = {
            select.POLLIN: Readiness.READABLE,
            select.POLLOUT: Readiness.WRITABLE,
            select.POLLHUP: Readiness.HANGUP,
            select.POLLERR: Readiness.ERROR,
        }
        return sum(int(meaning) for event, meaning in meanings.items() if events & event)


class RealNet:
    """The machine's own loopback interface, which delivers before a send returns."""

    simulated = False

    def __init__(self) -> None:
        self._opened: list[RealEndpoint] = []

    def open(self, family: int = socket.AF_INET) -> Any:
        """Makes a socket."""
        endpoint = RealEndpoint(family)
        self._opened.append(endpoint)
        return endpoint

    def settle(self) -> None:
        """Lets everything arrive that is under way."""

    def close(self) -> None:
        """Closes all sockets."""
        for endpoint in self._opened:
            endpoint.sock.close()


class SimulatedNet:
    """A few simulated hosts; without saying which one, it is the first."""

    simulated = True

    def __init__(self, seed: int = 1) -> None:
        self.scheduler = Scheduler(seed)
        self.trace = Trace(self.scheduler)
        self.links = Links(self.scheduler, self.trace)
        self.network = Network(self.scheduler, self.trace, self.links)
        self.grounds: dict[str, Ground] = {}
        self._opened: dict[str, list[DatagramEndpoint]] = {}
        self.boot("client")

    def boot(self, host: str) -> Ground:
        """Starts a host, or starts it anew."""
        ground = self.grounds[host] = Ground(self.network, host)
        self.network.boot(ground)
        return ground

    def crash(self, host: str) -> None:
        """Does with a host what ``Kernel.crash`` does."""
        self.grounds[host].alive = False
        for endpoint in self._opened.pop(host, []):
            endpoint.vanish()

    def open(self, family: int = socket.AF_INET, host: str = "client") -> Any:
        """Makes a socket."""
        endpoint = DatagramEndpoint(self.grounds[host], family)
        self._opened.setdefault(host, []).append(endpoint)
        return endpoint

    def settle(self) -> None:
        """Lets everything happen that is planned."""
        while self.scheduler.step():
            pass

    def told(self, *kinds: str) -> list[tuple[str, str, str, str]]:
        """Returns kind, host, peer and detail of events of some kinds, or of all."""
        return [
            (event.kind, event.host, event.peer, event.detail)
            for event in self.trace
            if not kinds or event.kind in kinds
        ]

    def close(self) -> None:
        """Nothing: a simulated socket holds nothing of the system's."""


Net = RealNet | SimulatedNet
