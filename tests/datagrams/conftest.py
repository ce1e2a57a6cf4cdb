"""Plain sockets that talk to a server of datagrams."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import fakes_in_c
import pytest

from netcore import Address, Client, Engine, EventHandler
from netcore.connection import DatagramConnection, Limits
from netcore.eventloop import Loop, Shared
from netcore.poll import open_poller
from netcore.testing import FakePoller, FakeSockets, ManualClock, RecordingHandler

FD, DIALLED = 60, 61
LOCAL = Address("udp", "192.0.2.1", 9000)

TIMEOUT = 30


@pytest.fixture(scope="session")
def twins() -> ModuleType:
    """The module ``datagram_twins.py``: a server in each of the two halves. Skips where there is one only."""
    path = Path(__file__).with_name("datagram_twins.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if why := module.why_single():
        pytest.skip(why)
    return module


class Peer:
    """A datagram socket with a server to send to."""

    def __init__(self, target: tuple[str, int], family: int) -> None:
        self.target = target
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.settimeout(TIMEOUT)
        self.sock.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))

    @property
    def address(self) -> Address:
        """Where it can be answered."""
        return Address("udp", *self.sock.getsockname()[:2])

    def send(self, data: bytes) -> None:
        """Sends one datagram to the server."""
        self.sock.sendto(data, self.target)

    def receive(self) -> bytes:
        """Waits for the next datagram."""
        return self.sock.recv(1 << 17)

    def ask(self, data: bytes) -> bytes:
        """Sends one and returns the next that comes."""
        self.send(data)
        return self.receive()


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    """Opens a socket for an engine's address: ``peer(engine, index=0, host="127.0.0.1")``."""
    peers: list[Peer] = []

    def make(engine: Engine | int, index: int = 0, host: str = "127.0.0.1") -> Peer:
        port = engine if isinstance(engine, int) else engine.addresses[index].port
        peers.append(Peer((host, port), socket.AF_INET6 if ":" in host else socket.AF_INET))
        return peers[-1]

    yield make
    for made in peers:
        made.sock.close()


@pytest.fixture
def ipv6() -> None:
    """Skips where the machine has no IPv6."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"this machine has no [::1]: {error}")


@pytest.fixture
def edges() -> None:
    """Skips where the poller knows no edges."""
    poller = open_poller()
    try:
        if not poller.supports_edge:
            pytest.skip(f"the poller {poller.name} has no edges")
    finally:
        poller.close()


@pytest.fixture(scope="session")
def longest() -> int:
    """Bytes of the longest datagram that loopback takes: 9216 or so on the BSDs (EMSGSIZE)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        for size in (65507, 9000):
            with contextlib.suppress(OSError):
                return sock.sendto(bytes(size), sock.getsockname())
    pytest.fail("the system sends no datagram of 9000 bytes")


@pytest.fixture
def client():
    """Starts clients and stops them after the test."""
    clients = []

    def start(handler, **options):
        made = Client(handler, **options)
        made.start()
        clients.append(made)
        return made

    yield start
    for made in clients:
        assert made.stop(30)


@pytest.fixture
def silent():
    """A bound socket that answers nothing, and its address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(30)
        yield sock, f"udp://127.0.0.1:{sock.getsockname()[1]}"


@pytest.fixture
def nobody():
    """A socket that keeps a port to itself, and its address: whatever is sent there is refused.

    It is connected to itself, and gets nothing from others. A port that nobody keeps may be anybody's soon.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        address = f"udp://127.0.0.1:{sock.getsockname()[1]}"
        if sys.platform == "win32":  # where the datagrams of others are dropped, and not refused
            sock.close()
        else:
            sock.connect(sock.getsockname())
        yield sock, address


class World:
    """A loop with one datagram server, and one dialled connection if it is asked for."""

    def __init__(self, handler: EventHandler, limits: Limits, half: str) -> None:
        self.handler = handler
        self.clock = ManualClock()
        make_poller, make_sockets = fakes_in_c.of(half, FakePoller, FakeSockets)
        self.poller = make_poller(self.clock)
        self.sockets = make_sockets(self.poller)
        self.loop = Loop(0, Shared(handler, limits), self.poller, self.sockets, self.clock)
        fakes_in_c.let_raise(self.loop)
        self.loop.claim()
        self.listener = self.loop.listen_for_datagrams(FD, socket.AF_INET, LOCAL)
        self.loop.start_accepting()

    def dial(self) -> DatagramConnection:
        """Puts a dialled connection onto the loop."""
        remote = Address("udp", "192.0.2.9", 53)
        return self.loop._hosted.establish_datagrams(DIALLED, socket.AF_INET, remote, LOCAL, None)

    def feed(self, *datagrams: bytes | None, fd: int = FD) -> None:
        """Lets datagrams arrive and the loop handle them."""
        for data in datagrams:
            self.sockets.feed_datagram(fd, data)
        self.loop.turn()

    def turns(self, count: int = 1) -> None:
        """Runs turns; a task keeps each from waiting."""
        for _ in range(count):
            self.loop.execute(int)
            self.loop.turn()

    def sent(self, fd: int = FD) -> list[bytes]:
        """What a socket has sent."""
        return [data for data, _ in self.sockets.datagrams[fd]]


@pytest.fixture
def world(half: str) -> Callable[..., World]:
    """Makes a world: ``world(limits, on_traffic=...)``; with each half of the hot path."""

    def make(limits: Limits | None = None, **callbacks: object) -> World:
        return World(RecordingHandler(**callbacks), limits or Limits(), half)

    return make
