"""Random histories of connections on bad lines: every byte once and in order, and no change goes untold."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from simulated import Yard

from netcore.poll import Readiness
from netcore.testing.simulation.net.sockets import socketpair

READABLE, WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)
TEXT = random.Random(1).randbytes(1 << 20)
LEGS = 200
CUT = 20.0
"""Seconds after which a line that is cut heals: too few for a connection to be given up."""


class End:
    """One end of a connection, what it has sent and received, and whether its watcher was told."""

    def __init__(self, yard: Yard, host: str, sock: Any) -> None:
        self.sock = sock
        self.sent = self.received = 0
        self.shut = self.ended = False
        self.told = True
        self._endpoint = yard.host(host).endpoint(sock.fileno())
        self._endpoint.watch(sock.fileno(), self._tell)
        self._ready = 0
        self._owed: float | None = None  # since when something is to be told
        self._yard = yard

    def _tell(self, fd: int) -> None:
        self.told = True

    def look(self) -> None:
        """Requires that what is new is told before time goes on."""
        now = self._yard.scheduler.now
        ready = self._endpoint.readiness()
        new = ready & ~self._ready
        if self.told:
            self._owed = None
        elif self._owed is None and new:
            self._owed = now
        assert self._owed in (None, now), f"{Readiness(ready)!r} is not told"
        self._ready = ready
        self.told = False

    def send(self, size: int) -> None:
        """Sends some of the text."""
        if self.shut:
            return
        writable = self._endpoint.readiness() & WRITABLE
        try:
            self.sent += self.sock.send(TEXT[self.sent : self.sent + size])
        except BlockingIOError:
            assert not writable

    def receive(self, size: int, other: End) -> None:
        """Receives, and requires that it is the text."""
        readable = self._endpoint.readiness() & READABLE
        try:
            data = self.sock.recv(size)
        except BlockingIOError:
            assert not readable
            return
        assert readable
        if not data:
            assert other.shut
            assert self.received == other.sent
            self.ended = True
        assert data == TEXT[self.received : self.received + len(data)]
        self.received += len(data)

    def shut_down(self) -> None:
        """Ends its half."""
        if not self.shut:
            self.shut = True
            self.sock.shutdown(socket.SHUT_WR)


def history(seed: int) -> Yard:
    source = random.Random(seed)
    yard = Yard(seed, latency=source.choice((0.0005, 0.02, 0.4)))
    client, server = yard.pair()
    if source.random() < 0.5:
        for sock in (client, server):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, source.choice((2_000, 20_000)))
    ends = End(yard, "client", client), End(yard, "server", server)
    for losing in yard.losing.values():
        losing.rate = source.choice((0.0, 0.0, 0.1, 0.3))
    cut_at = 0.0
    for _ in range(LEGS):
        one, other = source.sample(ends, 2)
        act = source.random()
        if act < 0.35:
            one.send(source.choice((0, 1, 100, 5_000, 200_000)))
        elif act < 0.75:
            one.receive(source.choice((1, 100, 5_000, 200_000)), other)
        elif act < 0.77:
            one.shut_down()
        elif act < 0.80:
            cut_at = yard.scheduler.now
            yard.cut("client", "server", one_way=source.random() < 0.5)
        elif act < 0.85 or yard.scheduler.now > cut_at + CUT:
            yard.heal()
            yard.run(3 * CUT)  # by when each of both has been able to try again
        for end in ends:
            end.look()
        for _ in range(source.choice((0, 1, 5, 30))):
            following = yard.scheduler.next_time()
            if following is None or following > cut_at + 2 * CUT:
                break
            yard.scheduler.step()
            for end in ends:
                end.look()
    yard.heal()
    for losing in yard.losing.values():
        losing.rate = 0.0
    for end in ends:
        end.shut_down()
    for _ in range(1_000):
        for one, other in (ends, ends[::-1]):
            one.receive(1 << 20, other)
        if all(end.ended for end in ends):
            break
        yard.run(1)
    for one, other in (ends, ends[::-1]):
        assert one.ended
        assert one.received == other.sent
    client.close()
    server.close()
    yard.run()
    assert not len(yard.network.descriptors)
    return yard


@pytest.mark.parametrize("seed", range(40))
def test_bytes_arrive_once_in_order_and_no_change_goes_untold(seed: int) -> None:
    history(seed)


@pytest.mark.unix_sockets
@pytest.mark.parametrize("seed", range(10))
def test_unix_sockets_bring_bytes_once_in_order_and_tell_every_change(seed: int) -> None:
    source = random.Random(seed)
    yard = Yard(seed)
    with yard.on("one"):
        socks = socketpair()
        for sock in socks:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10_000)
        ends = End(yard, "one", socks[0]), End(yard, "one", socks[1])
        for end in ends:
            end.look()
        for leg in range(400):
            one, other = source.sample(ends, 2)
            if source.random() < 0.5:
                one.send(source.choice((0, 1, 100, 5_000, 30_000)))
            else:
                one.receive(source.choice((1, 100, 5_000, 30_000)), other)
            if leg == 350:
                one.shut_down()
            for end in ends:
                end.look()
            yard.scheduler.advance(yard.scheduler.now + 1)  # so that nothing may be told late
        for one, other in (ends, ends[::-1]):
            other.shut_down()
            while not one.ended:
                one.receive(1 << 20, other)
            assert one.received == other.sent
        for sock in socks:
            sock.close()
    assert not len(yard.network.descriptors)


def test_the_same_seed_is_the_same_history() -> None:
    first, again, other = history(3), history(3), history(4)
    assert first.trace.digest() == again.trace.digest() != other.trace.digest()


@pytest.mark.once
def test_a_history_does_not_depend_on_the_hash_seed() -> None:
    program = (
        f"import sys; sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[2])]!r}\n"
        "from test_histories import history\n"
        "print(history(5).trace.digest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert digests == {f"{history(5).trace.digest()}\n"}


def test_ports_and_connections_are_given_back() -> None:
    yard = Yard()
    for _ in range(5):
        client, server = yard.pair()
        assert client.getsockname()[1] == 49152
        client.send(b"x")
        yard.run(0.1)
        server.recv(1)
        client.close()
        yard.run(0.1)
        server.close()
        yard.run(0.1)
    assert yard.host("server").tcp_ports.holders(7000) == ()
