"""Peers of KCP sessions: with a protocol of their own over a plain socket, or with none at all."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kcp_world import KcpWorld
from supervised import Supervised

from netcore import Client, Engine, EventHandler
from netcore.connection import Limits
from netcore.eventloop import Gate
from netcore.kcp import Kcp, KcpOptions

QUICK = KcpOptions(interval=0.001)


class KcpPeer:
    """A client with the protocol alone, that does nothing but what a test asks of it."""

    def __init__(self, port: int, conversation: int | None = None, options: KcpOptions = QUICK) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.target = ("127.0.0.1", port)
        self.conversation = random.getrandbits(32) if conversation is None else conversation
        self.sent: list[bytes] = []
        self.came: list[bytes] = []
        self.kcp = Kcp(self.conversation, self.send_datagram, options)

    def send_datagram(self, datagram: bytes) -> None:
        """Sends one, as it is."""
        self.sent.append(datagram)
        self.sock.sendto(datagram, self.target)

    def send(self, data: bytes) -> None:
        """Writes, and has it leave."""
        self.kcp.send(data)
        self.kcp.flush(time.monotonic())

    def look(self, seconds: float = 0.05) -> bytes | None:
        """Waits for a datagram for so long, and gives it to the protocol; returns it as it came."""
        self.sock.settimeout(seconds)
        try:
            datagram = self.sock.recv(65536)
        except (TimeoutError, ConnectionError):
            return None
        self.came.append(datagram)
        self.kcp.input(datagram, time.monotonic())
        return datagram

    def receive(self, size: int, seconds: float = 30) -> bytes:
        """Runs the protocol until so many bytes have come."""
        data = bytearray()
        until = time.monotonic() + seconds
        while len(data) < size and time.monotonic() < until:
            self.kcp.flush(time.monotonic())
            self.look()
            while (piece := self.kcp.receive()) is not None:
                data += piece
        self.kcp.flush(time.monotonic())  # the receipt, which a server that stops would wait for
        return bytes(data)

    def run_until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Runs the protocol until something is so."""
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until
            self.kcp.flush(time.monotonic())
            self.look()


@pytest.fixture
def kcp_peer() -> Iterator[Callable[..., KcpPeer]]:
    """Makes a client for an engine: ``kcp_peer(engine, conversation=None, options=QUICK)``."""
    peers: list[KcpPeer] = []

    def make(engine: Engine | int, *args: object, **options: object) -> KcpPeer:
        port = engine if isinstance(engine, int) else engine.addresses[0].port
        peers.append(KcpPeer(port, *args, **options))
        return peers[-1]

    yield make
    for peer in peers:
        peer.sock.close()


@pytest.fixture
def client() -> Iterator[Callable[..., Client]]:
    """Starts clients and stops them after the test: ``client(handler, **options)``."""
    clients: list[Client] = []

    def start(handler: EventHandler, **options: object) -> Client:
        clients.append(Client(handler, **options))
        clients[-1].start()
        return clients[-1]

    yield start
    for each in clients:
        assert each.stop(30), "a client did not stop"


@pytest.fixture
def make(half: str) -> Callable[..., KcpWorld]:
    """Makes a listener on fakes: ``make(options=None, limits=None, gate=None, **callbacks)``."""

    def build(
        options: KcpOptions | None = None,
        limits: Limits | None = None,
        gate: Gate | None = None,
        **callbacks: object,
    ) -> KcpWorld:
        return KcpWorld(half, options or KcpOptions(), limits or Limits(), gate, **callbacks)

    return build


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    """Starts supervisors; see ``Supervised``."""
    made: list[Supervised] = []

    def make(*addresses: str, **arguments: Any) -> Supervised:
        made.append(Supervised(tmp_path, *addresses, **arguments))
        return made[-1]

    yield make
    for one in made:
        one.end()
