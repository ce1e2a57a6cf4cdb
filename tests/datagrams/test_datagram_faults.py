"""Datagrams over sockets and a poller that go wrong: what is lost has been said, and the rest is in order."""

from __future__ import annotations

import errno
import socket

import pytest

from netcore import Address
from netcore.connection import Limits
from netcore.eventloop import Loop, Shared
from netcore.testing import (
    FakePoller,
    FakeSockets,
    FaultPlan,
    FaultyPoller,
    FaultySockets,
    ManualClock,
    RecordingHandler,
    Short,
)

FD = 60


class World:
    """A loop that serves datagrams over faulty fakes."""

    def __init__(self, handler: RecordingHandler, plan: FaultPlan, limits: Limits) -> None:
        clock = ManualClock()
        self.plan = plan
        self.fake_poller = FakePoller(clock)
        self.fakes = FakeSockets(self.fake_poller)
        poller = FaultyPoller(self.fake_poller, plan)
        sockets = FaultySockets(self.fakes, plan, poller)
        self.loop = Loop(0, Shared(handler, limits), poller, sockets, clock)
        self.loop.claim()
        sockets.attach(FD)
        self.loop.listen_for_datagrams(FD, socket.AF_INET, Address("udp", "192.0.2.1", 9000))
        self.loop.start_accepting()

    def turns(self, count: int) -> None:
        for _ in range(count):
            self.loop.execute(int)
            self.loop.turn()

    def sent(self) -> list[bytes]:
        return [data for data, _ in self.fakes.datagrams[FD]]


def echo() -> RecordingHandler:
    return RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)


@pytest.mark.parametrize("edge_chunk", [0, 64, 1 << 20])
@pytest.mark.parametrize("seed", range(20))
def test_passing_faults_cost_nothing_but_time(seed, edge_chunk):
    handler = echo()
    world = World(handler, FaultPlan(0.3, seed), Limits(edge_chunk=edge_chunk))
    datagrams = [b"%d" % number * (number % 7) for number in range(60)]
    for start in range(0, 60, 10):
        for data in datagrams[start : start + 10]:
            world.fakes.feed_datagram(FD, data)
        world.turns(3)
    world.plan.calm()
    world.turns(80)
    assert world.sent() == datagrams
    assert handler.details("on_error") == []


@pytest.mark.parametrize("seed", range(20))
def test_harsh_faults_are_reported_and_cost_one_datagram_each(seed):
    handler = echo()
    plan = FaultPlan(0.3, seed, {"send": (errno.EPERM, Short(2)), "receive": (errno.ECONNREFUSED,)})
    world = World(handler, plan, Limits())
    datagrams = [b"%d" % number for number in range(60)]
    for data in datagrams:
        world.fakes.feed_datagram(FD, data)
        world.turns(1)
    world.plan.calm()
    world.turns(80)
    sent = world.sent()
    lost = [error for error in handler.details("on_error") if error.errno == errno.EPERM]
    assert sent == sorted(sent, key=int)
    assert len(sent) + len(lost) == 60
    assert len(handler.details("on_error")) > len(lost)


def test_scripted_faults():
    handler = echo()
    world = World(handler, FaultPlan(), Limits())
    world.plan.script("send", Short(1), errno.EAGAIN, errno.EPERM)
    for data in (b"a", b"b", b"c"):
        world.fakes.feed_datagram(FD, data)
    world.turns(5)
    assert world.sent() == [b"a", b"c"]
    assert [error.errno for error in handler.details("on_error")] == [errno.EPERM]
