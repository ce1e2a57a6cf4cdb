"""Plain sockets that talk to a server of datagrams."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from netcore import Address, Engine
from netcore.poll import open_poller

TIMEOUT = 30


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
