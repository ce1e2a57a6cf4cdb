"""UDP sockets to test: those of simulated hosts, and the system's own behind the same methods."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from netcore.poll import Readiness
from netcore.testing.simulation import current
from netcore.testing.simulation.net.datagrams import DatagramEndpoint
from netcore.testing.simulation.net.endpoint import Ancillary, Payload, Received
from netcore.testing.simulation.net.kernel import Kernel
from netcore.testing.simulation.net.links import Links
from netcore.testing.simulation.net.network import Ground, Network
from netcore.testing.simulation.net.sockets import SimulatedSocket
from netcore.testing.simulation.scheduler import Scheduler
from netcore.testing.simulation.trace import Trace

__all__ = ["Net", "ObjectNet", "RealNet", "SimulatedNet"]


class SocketEndpoint:
    """An object with the methods of ``socket.socket``, behind those of ``Endpoint`` that the tests use."""

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        sock.setblocking(False)
        for method in ("bind", "listen", "accept", "shutdown", "getsockname", "getpeername", "close"):
            setattr(self, method, getattr(sock, method))
        self.setsockopt = sock.setsockopt
        self.getsockopt = sock.getsockopt

    def connect(self, name: Any) -> None:
        if name is None:
            self.disconnect()
        else:
            self.sock.connect(name)

    def disconnect(self) -> None:
        """Connects to AF_UNSPEC, which the standard library cannot."""
        import ctypes

        unspecified = ctypes.create_string_buffer(16)  # AF_UNSPEC is 0
        ctypes.CDLL(None, use_errno=True).connect(self.sock.fileno(), unspecified, 16)

    def send(self, data: Payload, flags: int = 0, name: Any = None, ancillary: Ancillary = ()) -> int:
        if ancillary:
            sent: int = self.sock.sendmsg([data], ancillary, flags, name)
        elif name is None:
            sent = self.sock.send(data, flags)
        else:
            sent = self.sock.sendto(data, flags, name)
        return sent

    def receive(self, size: int, flags: int = 0) -> Received:
        room = bytearray(size)
        length, ancillary, told, name = self.sock.recvmsg_into([room], 256, flags)
        ancillary = [(level, kind, data[:12] if level == 0 else data) for level, kind, data in ancillary]
        return Received(bytes(room[: min(length, size)]), name, ancillary, told, length)

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

    def __init__(self) -> None:
        self._opened: list[socket.socket] = []

    def open(self, family: int = socket.AF_INET) -> Any:
        """Makes a socket."""
        sock = socket.socket(family, socket.SOCK_DGRAM)
        self._opened.append(sock)
        return SocketEndpoint(sock)

    def settle(self) -> None:
        """Lets everything arrive that is under way."""

    def close(self) -> None:
        """Closes all sockets."""
        for sock in self._opened:
            sock.close()


class SimulatedNet:
    """A few simulated hosts; without saying which one, it is the first."""

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


class SimulatedSocketEndpoint(SocketEndpoint):
    """The same of a simulated socket."""

    def __init__(self, kernel: Kernel, family: int) -> None:
        super().__init__(SimulatedSocket(family, socket.SOCK_DGRAM))
        self._endpoint = kernel.endpoint(self.sock.fileno())
        self.disconnect = partial(self._endpoint.connect, None)
        self.readiness = self._endpoint.readiness


class ObjectNet(SimulatedNet):
    """A simulated host, whose code runs, and the socket objects that its code uses."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = Kernel(self.network, "client")
        self._before = current.enter(self)
        self._objects: list[Any] = []

    def open(self, family: int = socket.AF_INET, host: str = "client") -> Any:
        """Makes a socket."""
        endpoint = SimulatedSocketEndpoint(self.kernel, family)
        self._objects.append(endpoint.sock)
        return endpoint

    def wait(self, predicate: Callable[[], bool], timeout: float | None, what: str) -> bool:
        """Is not asked: no socket blocks."""
        raise AssertionError(f"{what} is waited for")

    def close(self) -> None:
        """Closes all sockets."""
        for sock in self._objects:
            sock.close()
        current.enter(self._before)


Net = RealNet | SimulatedNet
