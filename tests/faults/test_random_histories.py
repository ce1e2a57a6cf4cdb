"""A real loop through thousands of random histories of faults: what holds in all of them.

It stands on fakes, which are there for the half in C as well; a simulated world has only that in Python, and
runs the same histories with a net in between: see ``tests/simulation/test_engine_histories.py``.
"""

from __future__ import annotations

import threading

import fakes_in_c
import pytest
from random_history import Handler, NoErrors, RandomHistory, live

from netcore import Address
from netcore.connection import Limits
from netcore.eventloop import Gate, Listener, Loop, Shared
from netcore.poll import Readiness
from netcore.testing import (
    BROKEN_FAULTS,
    GENTLE_FAULTS,
    FakePoller,
    FakeSockets,
    FaultyPoller,
    FaultySockets,
    ManualClock,
)

LISTENER = 50


class Descriptors(FakeSockets):
    """As a kernel: the lowest free number goes to the next connection."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.used = set()

    def connect(self, listener, remote="192.0.2.7", port=40000):
        fd = super().connect(listener, remote, port)
        self._backlogs[listener].pop()
        self._poller.forget(fd)
        fd = next(n for n in range(100, 10**6) if n not in self.used)
        self.used.add(fd)
        self._backlogs[listener].append((fd, b"\x04\x00\x01\xc0\x00\x02\x07"))
        self._poller.set_ready(fd, Readiness.WRITABLE)
        self.sent[fd] = bytearray()
        return fd

    def close(self, fds):
        super().close(fds)
        for fd in fds:
            self._free(fd)

    def reset(self, fd):
        super().reset(fd)
        self._free(fd)

    def _free(self, fd):
        self.used.discard(fd)
        for table in (self._inbound, self._scripts, self._limits):
            table.pop(fd, None)


def for_c(faults):
    """Leaves out what functions of C cannot do, which is to raise."""
    return {name: drawn for name, drawn in faults.items() if name not in ("receiving", "sending")}


class History(RandomHistory):
    half = "python"

    def menu_of_faults(self):
        return self.faults if self.half == "python" else for_c(self.faults)

    def open(self, limit, refuse, linger):
        self.clock = ManualClock()
        self.fake_poller = FakePoller(self.clock)
        self.fakes = Descriptors(self.fake_poller, receive_cap=128, arena_size=1024)
        make_poller, make_sockets = fakes_in_c.of(self.half, FaultyPoller, FaultySockets)
        self.poller = make_poller(self.fake_poller, self.plan)
        self.sockets = make_sockets(self.fakes, self.plan, self.poller)
        self.limit = limit
        self.gate = Gate(limit, refuse) if limit else None
        limits = Limits(
            high_water=300,
            low_water=100,
            max_outbound=4000,
            write_cap=512,
            close_timeout=5,
            linger=linger,
            edge_chunk=self.edge_chunk,
        )
        shared = Shared(Handler(self), limits, gate=self.gate)
        self.loop = Loop(0, shared, self.poller, self.sockets, self.clock)
        fakes_in_c.let_raise(self.loop)
        self.loop.claim()
        self.sockets.attach(LISTENER)
        self.loop.listen(Listener(LISTENER, Address("tcp", "192.0.2.1", 9000), "tcp", None, int), None)
        self.loop.start_accepting()

    def knock(self, count):
        if len(self.fakes._backlogs[LISTENER]) < 8:
            for _ in range(count):
                self.fakes.connect(LISTENER)

    def take_turns(self, count):
        for _ in range(count):
            self.loop.execute(int)
            self.loop.turn()

    def pass_time(self, seconds):
        self.clock.advance(seconds)

    stall = pass_time

    def meddle(self, peer):
        other = threading.Thread(target=self.call_from_elsewhere, args=(peer,))
        other.start()
        other.join()

    def sent_to(self, conn):
        return self.fakes.sent[conn.fd]

    def say(self, peer, data):
        self.fakes.feed(peer.conn.fd, data)
        return len(data)

    def hang_up(self, peer, code):
        if code:
            self.fakes.feed_error(peer.conn.fd, code)
            self.fake_poller.set_ready(peer.conn.fd, Readiness.HANGUP | Readiness.ERROR)
        self.fakes.feed_eof(peer.conn.fd)

    def hold(self, peer, after):
        self.fakes.unblock(peer.conn.fd)
        if after is not None:
            self.fakes.block(peer.conn.fd, after)

    def refuse_more(self):
        self.loop.stop_accepting()

    def descriptors_are_in_order(self, here):
        assert not self.sockets.closed_twice
        assert self.sockets.open - {LISTENER} == here | set(self.loop._departures.lingering)
        if self.gate is not None:
            taken = self.loop.connection_count + len(self.loop.lingering)
            assert self.gate._free == self.limit - taken

    def teardown(self):
        if not self.opened():
            return
        self.plan.calm()
        self.plans, self.portion = [], -1
        self.turn(3)
        for peer in self.order:
            if not peer.calls["on_close"]:
                self.fakes.unblock(peer.conn.fd)
                peer.conn.resume_reading()
                peer.conn.wake()
        for _ in range(100):  # files take their turns, and a receive 128 bytes at most
            self.turn(10)
            if not any(peer.conn.outbound_buffered for peer in self.order):
                break
        self.turn(30)
        self.everything_is_in_order()
        for peer in self.order:
            if not peer.calls["on_close"]:
                if not peer.broken and peer.conn.fd not in self.sockets.dead:
                    assert peer.taken == peer.fed, "it does not flow again"
                    assert peer.sent == peer.written, "it does not flow again"
                assert not peer.ended, "the end was not noticed"
            elif not peer.broken and peer.error is None:
                assert peer.sent == peer.written, "an orderly end, and bytes are missing"
        assert not self.loop._intake.again and not self.loop._aftermath.unsettled, "the loop spins"
        self.loop.execute(self.loop.stop, 3)
        self.loop.run()
        self.everything_is_in_order()
        assert all(len(runs) == 1 for runs in self.callbacks), "a callback never ran"
        assert all(peer.calls["on_close"] == 1 for peer in self.order)
        assert not self.sockets.open and not self.poller.interests
        assert not self.loop.connection_count


class EdgeHistory(History):
    edge_chunk = 256


class BrokenHistory(History):
    """The poller and the sockets raise, too."""

    faults = BROKEN_FAULTS


class BrokenEdgeHistory(BrokenHistory):
    edge_chunk = 256


class GentleHistory(NoErrors, History):
    faults = GENTLE_FAULTS


@pytest.mark.parametrize(
    "machine",
    [History, EdgeHistory, GentleHistory, BrokenHistory, BrokenEdgeHistory],
    ids=["level", "edge", "gentle", "broken", "broken edge"],
)
def test_random_histories(machine, half):
    machine.half = half
    live(machine)
