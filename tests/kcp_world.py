"""A loop with a listener for sessions, on fakes under a clock that is wound by hand, and its peers."""

from __future__ import annotations

import socket

import fakes_in_c

from netcore import Address
from netcore.connection import Limits
from netcore.eventloop import Gate, Loop, Shared
from netcore.kcp import Kcp, KcpOptions
from netcore.sockets import CONNECTED, pack_name
from netcore.testing import FakePoller, FakeSockets, ManualClock, RecordingHandler

__all__ = ["FD", "LOCAL", "PEER", "PORT", "KcpWorld", "Peer"]

FD = 60
LOCAL = Address("udp", "192.0.2.1", 9000)
PEER, PORT = "192.0.2.7", 40000


class KcpWorld:
    """A loop with a listener for sessions, and peers that are a protocol each."""

    def __init__(
        self, half: str, options: KcpOptions, limits: Limits, gate: Gate | None, **callbacks: object
    ) -> None:
        self.clock = ManualClock()
        make_poller, make_sockets = fakes_in_c.of(half, FakePoller, FakeSockets)
        self.poller = make_poller(self.clock)
        self.sockets = make_sockets(self.poller)
        self.handler = RecordingHandler(**callbacks)
        shared = Shared(self.handler, limits, gate=gate, kcp=options)
        self.loop = Loop(0, shared, self.poller, self.sockets, self.clock)
        fakes_in_c.let_raise(self.loop)
        self.loop.claim()
        self.options = options
        self.listener = self.loop.listen_for_sessions(FD, socket.AF_INET, LOCAL)
        self.loop.start_accepting()

    def peer(self, conversation: int = 7, port: int = PORT) -> Peer:
        """Makes a peer."""
        return Peer(self, conversation, port)

    def turn(self, *peers: Peer) -> None:
        """Lets the loop have what was sent to it, and the peers what it has answered."""
        self.loop.turn(0)
        for fd, sent in list(self.sockets.datagrams.items()):
            for datagram, name in sent:
                for peer in peers:
                    if peer.is_meant(fd, name, datagram):
                        peer.came.append(datagram)
                        peer.kcp.input(datagram, self.clock())
        self.sockets.datagrams.clear()

    def go_on(self, seconds: float, *peers: Peer) -> None:
        """Lets so much time pass, in steps of a hundredth of a second."""
        for _ in range(round(seconds * 100)):
            self.clock.advance(0.01)
            for peer in peers:
                peer.kcp.flush(self.clock())
            self.turn(*peers)


class Peer:
    """A peer.

    Attributes:
        fd: Where the kernel puts what it sends.
    """

    def __init__(self, world: KcpWorld, conversation: int, port: int) -> None:
        self.world = world
        self.conversation = conversation
        self.port = port
        self.name = pack_name(socket.AF_INET, (PEER, port))
        self.fd = FD
        self.came: list[bytes] = []
        self.kcp = Kcp(conversation, self.send_datagram, world.options)

    def send_datagram(self, datagram: bytes) -> None:
        """Sends one, as it is."""
        self.world.sockets.feed_datagram(self.fd, datagram, PEER, self.port)

    def is_meant(self, fd: int, name: bytes, datagram: bytes) -> bool:
        """Whether it is the one that gets what was sent through a socket."""
        is_there = name == self.name or (name == CONNECTED and fd == self.fd)
        return is_there and datagram[:4] == self.conversation.to_bytes(4, "little")

    def send(self, data: bytes) -> None:
        """Writes, and has it leave."""
        self.kcp.send(data)
        self.kcp.flush(self.world.clock())
