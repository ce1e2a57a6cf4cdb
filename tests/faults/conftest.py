"""A loop whose poller and sockets can be made to fail in any of their methods."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from netcore import Address
from netcore.connection import Limits
from netcore.eventloop import Gate, Listener, Loop, Shared
from netcore.testing import FakePoller, FakeSockets, ManualClock, RecordingHandler

LISTENER, DATAGRAMS = 50, 60


class Sabotage:
    """Which methods of an object raise, and when.

    Attributes:
        raised: How often each has.
    """

    def __init__(self):
        self.plans = {}
        self.raised = {}

    def plan(self, method, error, when=lambda *args: True, times=None):
        """Has calls of a method raise, those that ``when`` chooses by their arguments."""
        self.plans[method] = [error, when, times]

    def calm(self):
        self.plans.clear()

    def strike(self, method, args):
        plan = self.plans.get(method)
        if plan is None or plan[2] == 0 or not plan[1](*args):
            return
        if plan[2] is not None:
            plan[2] -= 1
        self.raised[method] = self.raised.get(method, 0) + 1
        raise plan[0]


def sabotaged(base, *methods):
    """Makes a subclass whose methods ask ``self.sabotage`` first."""

    def overriding(method):
        def call(self, *args, **named):
            self.sabotage.strike(method, args)
            return getattr(base, method)(self, *args, **named)

        return call

    body = {method: overriding(method) for method in methods}
    return type(f"Sabotaged{base.__name__}", (base,), body)


Poller = sabotaged(FakePoller, "register", "modify", "unregister", "wait", "wake", "close")
Sockets = sabotaged(
    FakeSockets,
    *("attach", "accept", "receive", "receive_datagrams", "send", "send_datagrams", "sendfile"),
    *("close", "reset", "shutdown_write", "local_address", "remote_name", "connected", "borrow"),
)


class Site:
    """A loop over such a poller and such sockets, with a listener and a datagram socket."""

    def __init__(self, handler, limits, places, refuse, phases, pick, logger):
        self.handler = handler
        self.clock = ManualClock()
        self.poller = Poller(self.clock)
        self.poller.sabotage = Sabotage()
        self.sockets = Sockets.__new__(Sockets)
        self.sockets.sabotage = Sabotage()
        self.sockets.__init__(self.poller)
        self.gate = Gate(places, refuse) if places else None
        self.places = places
        self.stops = []
        shared = Shared(handler, limits, gate=self.gate, shutdown=lambda: self.stops.append(1))
        self.loop = Loop(0, shared, self.poller, self.sockets, self.clock)
        self.loop.claim()
        self.cleanups = []
        listener = Listener(
            LISTENER,
            Address("tcp", "192.0.2.1", 9000),
            "tcp",
            None,
            lambda: self.cleanups.append(1),
            phases,
        )
        self.acceptor = self.loop.listen(listener, pick)
        self.datagrams = self.loop.listen_for_datagrams(
            DATAGRAMS, socket.AF_INET, Address("udp", "192.0.2.1", 9001)
        )
        self.loop.start_accepting()
        self.given = []

    def turns(self, count=3):
        for _ in range(count):
            self.loop.execute(int)
            self.loop.turn()

    def arrive(self, count=1):
        """Lets peers connect, without a turn."""
        fds = [self.sockets.connect(LISTENER) for _ in range(count)]
        self.given += fds
        return fds if count > 1 else fds[0]

    def connect(self, count=1):
        """Lets peers connect and the loop accept them."""
        fds = self.arrive(count)
        self.turns()
        return [self.conn(fd) for fd in fds] if count > 1 else self.conn(fds)

    def conn(self, fd):
        return self.loop._hosted.streams[fd]

    def dial(self, text="tcp://192.0.2.9:80"):
        future = self.loop.dial(text)
        self.turns(1)
        return future

    def serves(self):
        """Whether somebody who comes now is served as ever."""
        self.sockets.sabotage.calm()
        self.poller.sabotage.calm()
        self.clock.advance(1)
        self.turns()
        conn = self.connect()
        self.sockets.feed(conn.fd, b"are you there?")
        self.turns()
        served = bytes(self.sockets.sent[conn.fd]).endswith(b"are you there?")
        conn.abort()
        self.turns()
        return served

    def is_even(self):
        """Whether each descriptor was closed once, but for those here, and each place given back once."""
        gone = sorted(self.sockets.closed + self.sockets.resets)
        assert len(set(gone)) == len(gone), "closed twice"
        here = {*self.loop._hosted.streams, *self.loop._hosted._dialled, *self.loop.lingering}
        made = {*self.given, *(dial.fd for dial in self.sockets.dials if dial.fd >= 0)}
        assert set(gone) & here == set()
        assert made - here <= set(gone), "left open"
        if self.gate is not None:
            assert self.gate._free == self.places - len(here)
        assert self.loop.connection_count == len(here) - len(self.loop.lingering)
        return True

    def end(self):
        self.poller.sabotage.calm()
        self.sockets.sabotage.calm()
        self.loop.close()
        opened = [event.conn for event in self.handler.events if event.name == "on_open"]
        closed = [event.conn for event in self.handler.events if event.name == "on_close"]
        assert sorted(conn.id for conn in opened) == sorted(conn.id for conn in closed)
        assert self.is_even()
        assert not self.loop.unfinished


def echo(conn):
    conn.write(conn.read())


@pytest.fixture
def site() -> Callable[..., Site]:
    """Makes such a loop, and ends it in order: ``site(places=0, refuse=False, limits=None, **callbacks)``."""
    made = []

    def make(places=0, refuse=False, limits=None, phases=None, pick=None, **callbacks):
        handler = RecordingHandler(**{"on_traffic": echo, **callbacks})
        made.append(Site(handler, limits or Limits(), places, refuse, phases, pick, None))
        return made[-1]

    yield make
    for each in made:
        each.end()
