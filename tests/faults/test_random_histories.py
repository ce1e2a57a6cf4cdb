"""A real loop through thousands of random histories of faults: what holds in all of them."""

from __future__ import annotations

import errno
import tempfile
import threading
from collections import Counter
from contextlib import suppress

import fakes_in_c
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from netcore import Action, Address, ConnectionClosedError, EventHandler, WrongThreadError
from netcore.connection import Limits
from netcore.eventloop import Gate, Listener, Loop, Shared
from netcore.poll import Readiness
from netcore.testing import (
    BROKEN_FAULTS,
    GENTLE_FAULTS,
    HARSH_FAULTS,
    FakePoller,
    FakeSockets,
    FaultPlan,
    FaultyPoller,
    FaultySockets,
    ManualClock,
)

LISTENER = 50
INDEX = st.integers(0, 7)
ODD = (
    lambda conn: conn.read(2.5),
    lambda conn: conn.peek("all"),
    lambda conn: conn.discard(1.0),
    lambda conn: conn.write("text"),
    lambda conn: conn.write(None),
    lambda conn: conn.writev(7),
    lambda conn: conn.sendfile(None),
    lambda conn: conn.async_write(3),
    lambda conn: conn.set_deadline("soon"),
    lambda conn: conn.set_read_deadline(float("nan")),
    lambda conn: conn.set_write_deadline(10**400),
    lambda conn: conn.loop.schedule(None, int),
    lambda conn: conn.loop.execute(None),
    lambda conn: conn.loop.turn(0),  # inside a turn of it
)
"""What a handler should not do: refused here and now, or costing no more than the connection itself."""

SIZES = {"write": 60, "writev": 9, "big": 900, "sendfile": 20000}
CALLS = (
    *("write", "write", "write", "writev", "async_write", "async_write", "big", "sendfile", "flush"),
    *("odd", "stall", "stranger", "odd", "stall"),
    *("close", "action_close", "abort", "shutdown_write", "pause", "resume", "wake", "raise", "deadline"),
)


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


class Peer:
    """What is known of one connection, from outside."""

    def __init__(self, conn, sent):
        self.conn = conn
        self.calls = Counter()
        self.fed, self.taken, self.written = bytearray(), bytearray(), bytearray()
        self.sent = sent
        self.broken = self.ended = False


class Handler(EventHandler):
    def __init__(self, history):
        self.history = history

    def told(self, name, conn):
        history = self.history
        if name == "on_open":
            assert conn.id not in history.peers, "opened twice"
            peer = history.peers[conn.id] = Peer(conn, history.fakes.sent[conn.fd])
            history.order.append(peer)
        peer = history.peers[conn.id]
        peer.calls[name] += 1
        assert peer.calls["on_open"] == 1
        assert not peer.calls["on_close"] or name in ("on_close", "on_error"), f"{name} after on_close"
        return history.call(peer, history.plans.pop()) if history.plans else None

    def on_open(self, conn):
        return self.told("on_open", conn)

    def on_traffic(self, conn):
        peer = self.history.peers[conn.id]
        peer.taken += conn.read(self.history.portion)
        return self.told("on_traffic", conn)

    def on_eof(self, conn):
        return self.told("on_eof", conn) or Action.CLOSE

    def on_writable(self, conn):
        return self.told("on_writable", conn)

    def on_timeout(self, conn, timeout):
        return self.told("on_timeout", conn) or Action.CLOSE

    def on_error(self, conn, error):
        assert isinstance(error, LookupError), repr(error)
        return self.told("on_error", conn) or Action.CLOSE

    def on_close(self, conn, error):
        peer = self.history.peers[conn.id]
        peer.taken += conn.read()
        peer.error = error
        self.told("on_close", conn)


def for_c(faults):
    """Leaves out what functions of C cannot do, which is to raise."""
    return {name: drawn for name, drawn in faults.items() if name not in ("receiving", "sending")}


class History(RuleBasedStateMachine):
    half = "python"
    edge_chunk = 0
    faults = HARSH_FAULTS

    @initialize(
        seed=st.integers(0, 1 << 16),
        rate=st.sampled_from([0, 0.05, 0.3]),
        limit=st.sampled_from([0, 3]),
        refuse=st.booleans(),
        linger=st.sampled_from([0, 0.5]),
    )
    def begin(self, seed, rate, limit, refuse, linger):
        self.menu = self.faults if self.half == "python" else for_c(self.faults)
        self.plan = FaultPlan(0, seed, self.menu)
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
        self.peers, self.order, self.plans, self.callbacks = {}, [], [], []
        self.portion = -1
        self.odd = seed
        self.stopped = False
        self.connect(3)
        self.turn(2)
        self.plan.rate = rate

    # What the application does.

    def callback(self):
        runs = []
        self.callbacks.append(runs)

        def run(conn, error):
            assert self.loop.in_loop()
            assert error is None or isinstance(error, ConnectionClosedError)
            runs.append(error)

        return run

    def fresh(self, peer, size):
        start = len(peer.written)
        return bytes((start + i) % 251 for i in range(size))

    @staticmethod
    def put(conn, how, data):
        if how == "writev":
            return conn.writev([data[:4], bytearray(data[4:])])
        if how == "sendfile":
            with tempfile.TemporaryFile() as file:
                file.write(data)
                file.flush()
                return conn.sendfile(file)
        return conn.write(data)

    def call(self, peer, what):
        conn = peer.conn
        if what == "raise":
            raise LookupError("on purpose")
        if what == "action_close":
            return Action.CLOSE
        if what == "odd":
            self.odd += 1
            with suppress(TypeError, ValueError, RuntimeError, ConnectionClosedError):
                ODD[self.odd % len(ODD)](conn)
            return None
        if what == "stall":
            self.clock.advance(2.5)
            return None
        if what == "stranger":
            peer.broken = True
            other = threading.Thread(target=self.call_from_elsewhere, args=(peer,))
            other.start()
            other.join()
            return None
        if what in SIZES:
            data = self.fresh(peer, SIZES[what])
            with suppress(ConnectionClosedError):
                assert self.put(conn, what, data) == len(data)
                if conn.state.writes:
                    peer.written += data
                else:  # a dead one swallows it, or it went over the maximum
                    peer.broken = True
        elif what == "async_write":
            peer.broken = True  # its place among the writes is the task's, which is not modelled
            conn.async_write(self.fresh(peer, 30), self.callback())
            assert not self.callbacks[-1], "it ran before its turn"
        elif what in ("close", "wake"):
            getattr(conn, what)(self.callback())
        elif what == "shutdown_write":
            with suppress(ConnectionClosedError):
                conn.shutdown_write()
        elif what == "deadline":
            conn.set_deadline(2)
            conn.set_write_deadline(1)
        else:
            if what == "abort":
                peer.broken = True
            getattr(conn, {"pause": "pause_reading", "resume": "resume_reading"}.get(what, what))()
        return None

    def call_from_elsewhere(self, peer):
        """What may be done on another thread, and what may not, one after the other."""
        conn = peer.conn
        for wrongly in (lambda: conn.write(bytearray(b"wrong")), conn.flush, lambda: self.loop.turn(0)):
            with suppress(WrongThreadError, ConnectionClosedError, RuntimeError):
                wrongly()
        conn.async_write(self.fresh(peer, 30), self.callback())
        conn.wake(self.callback())
        conn.pause_reading()
        conn.resume_reading()
        self.loop.execute(int)

    # What happens.

    def alive(self, index):
        peer = self.order[index % len(self.order)]
        return None if peer.calls["on_close"] else peer

    @rule(count=st.integers(1, 4))
    def connect(self, count):
        if not self.stopped and len(self.fakes._backlogs[LISTENER]) < 8:
            for _ in range(count):
                self.fakes.connect(LISTENER)

    @precondition(lambda self: self.order)
    @rule(index=INDEX, size=st.sampled_from([1, 60, 300]), soon=st.booleans())
    def feed(self, index, size, soon):
        peer = self.alive(index)
        if peer and not peer.ended:
            data = bytes((len(peer.fed) + i) % 253 for i in range(size))
            peer.fed += data
            self.fakes.feed(peer.conn.fd, data)
            if soon:
                self.turn(1)

    @precondition(lambda self: self.order)
    @rule(index=INDEX, code=st.sampled_from([0, 0, errno.ECONNRESET]))
    def end(self, index, code):
        peer = self.alive(index)
        if peer and not peer.ended:
            peer.ended = True
            if code:
                peer.broken = True
                self.fakes.feed_error(peer.conn.fd, code)
                self.fake_poller.set_ready(peer.conn.fd, Readiness.HANGUP | Readiness.ERROR)
            self.fakes.feed_eof(peer.conn.fd)

    @precondition(lambda self: self.order)
    @rule(index=INDEX, after=st.sampled_from([None, 0, 50]))
    def block(self, index, after):
        peer = self.alive(index)
        if peer:
            self.fakes.unblock(peer.conn.fd)
            if after is not None:
                self.fakes.block(peer.conn.fd, after)

    @rule(operation=st.sampled_from(sorted(BROKEN_FAULTS)), data=st.data())
    def script(self, operation, data):
        menu = [None, *self.menu.get(operation, ())]
        self.plan.script(operation, *data.draw(st.lists(st.sampled_from(menu), max_size=4)))

    @rule(
        plans=st.lists(st.sampled_from(CALLS), min_size=1, max_size=5),
        portion=st.sampled_from([-1, -1, 5, 0]),
    )
    def plan_callbacks(self, plans, portion):
        self.plans, self.portion = plans, portion

    @precondition(lambda self: self.order)
    @rule(index=INDEX, calls=st.lists(st.sampled_from(CALLS), min_size=1, max_size=4), soon=st.booleans())
    def act(self, index, calls, soon):
        peer = self.order[index % len(self.order)]  # also one long gone, whose number another has by now

        def task():
            for what in calls:
                with suppress(LookupError):
                    self.call(peer, what)

        self.loop.execute(task)
        if soon:
            self.turn(1)

    @rule(seconds=st.sampled_from([0.05, 1.0, 6.0]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule(count=st.integers(1, 5))
    def turn(self, count):
        for _ in range(count):
            self.loop.execute(int)
            self.loop.turn()

    @rule()
    def stop_accepting(self):
        self.loop.stop_accepting()
        self.stopped = True

    # What holds.

    @invariant()
    def everything_is_in_order(self):
        if not hasattr(self, "loop"):
            return
        for peer in self.order:
            assert peer.calls["on_open"] == 1 and peer.calls["on_close"] <= 1
            assert peer.fed.startswith(peer.taken), "received bytes were lost, doubled or another's"
            if not peer.broken:
                assert peer.written.startswith(peer.sent), "sent bytes were lost, doubled or another's"
        assert all(len(runs) <= 1 for runs in self.callbacks), "a callback ran twice"
        assert not self.sockets.closed_twice
        here = {peer.conn.fd for peer in self.order if not peer.calls["on_close"]}
        assert self.sockets.open - {LISTENER} == here | set(self.loop._departures.lingering)
        if self.gate is not None:
            taken = self.loop.connection_count + len(self.loop.lingering)
            assert self.gate._free == self.limit - taken

    def teardown(self):
        if not hasattr(self, "loop"):
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


class GentleHistory(History):
    """Nothing here may cost a connection anything."""

    faults = GENTLE_FAULTS

    @invariant()
    def no_error_is_told(self):
        for peer in getattr(self, "order", ()):
            error = getattr(peer, "error", None)
            if error is not None and not peer.broken:
                on_purpose = isinstance(error, (TimeoutError, LookupError))
                assert on_purpose or error.errno == errno.ENOBUFS


@pytest.mark.parametrize(
    "machine",
    [History, EdgeHistory, GentleHistory, BrokenHistory, BrokenEdgeHistory],
    ids=["level", "edge", "gentle", "broken", "broken edge"],
)
def test_random_histories(machine, half):
    machine.half = half

    class Case(machine.TestCase):
        settings = SETTINGS

    Case("runTest").runTest()


SETTINGS = settings(
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)
