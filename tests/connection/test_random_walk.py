"""Connections under a random walk of calls and events: what holds in whatever order they come."""

from __future__ import annotations

import errno
from collections import Counter

import fakes_in_c
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from netcore import Action, Address, ConnectionClosedError, EventHandler, Timeout
from netcore.connection import Limits, State
from netcore.connection.stream import files
from netcore.eventloop import Gate, Listener, Loop, Shared
from netcore.poll import Readiness
from netcore.testing import FakePoller, FakeSockets, ManualClock

LISTENER = 50
LIMITS = {"high_water": 300, "low_water": 100, "max_outbound": 3000, "write_cap": 64, "close_timeout": 5}
INDEX = st.integers(0, 7)
SIZE = st.sampled_from([0, 1, 7, 60, 200, 400, 9000])


class Peer:
    """What one connection should have done."""

    def __init__(self, conn):
        self.conn = conn
        self.calls = Counter()
        self.fed = bytearray()
        self.taken = bytearray()
        self.written = bytearray()
        self.broken = False  # an error, an abort: bytes may be lost from here on
        self.ended = False  # FIN or an error was fed
        self.shut = False


class Walker(EventHandler):
    """Does at each callback what was planned for it."""

    def __init__(self, walk):
        self.walk = walk

    def act(self, name, conn, *args):
        peer = self.walk.peers.get(conn.id)
        if peer is None:
            peer = self.walk.peers[conn.id] = Peer(conn)
            self.walk.order.append(peer)
        peer.calls[name] += 1
        assert peer.calls["on_open"] == 1, f"{name} before on_open"
        if name not in ("on_close", "on_error"):
            assert not peer.calls["on_close"], f"{name} after on_close"
        if self.walk.plans:
            plan = self.walk.plans.pop()
            return self.walk.perform(peer, plan)
        return None

    def on_open(self, conn):
        self.walk.put_on(conn)
        return self.act("on_open", conn)

    def on_traffic(self, conn):
        peer = self.walk.peers[conn.id]
        how = self.walk.reading
        if how == "all":
            peer.taken += conn.read()
        elif how == "half":
            peer.taken += conn.read(conn.inbound_buffered // 2)
        elif how == "view":
            peer.taken += bytes(conn.next(min(5, conn.inbound_buffered)))
        elif how == "echo":
            data = conn.peek()
            if not conn.closed and conn.state is not State.FAILED and not peer.shut:
                peer.written += data
                conn.write(data)
            peer.taken += data
            conn.discard()
        return self.act("on_traffic", conn)

    def on_eof(self, conn):
        if "on_eof" in self.walk.defaults:
            self.act("on_eof", conn)
            return Action.CLOSE
        return self.act("on_eof", conn)

    def on_writable(self, conn):
        return self.act("on_writable", conn)

    def on_timeout(self, conn, timeout):
        assert isinstance(timeout, Timeout)
        return self.act("on_timeout", conn)

    def on_error(self, conn, error):
        assert isinstance(error, LookupError), repr(error)
        self.act("on_error", conn)
        return Action.CLOSE

    def on_close(self, conn, error):
        peer = self.walk.peers[conn.id]
        peer.taken += conn.read()
        self.act("on_close", conn)


class Walk(RuleBasedStateMachine):
    half = "python"
    edge_chunk = 0
    file = None

    def __init__(self):
        super().__init__()
        self.peers = {}
        self.order = []
        self.plans = []
        self.reading = "all"
        self.defaults = {"on_eof"}
        self.callbacks = []  # [conn, method, count]
        self.critical = []

    @initialize(limit=st.sampled_from([0, 2, 5]), refuse=st.booleans(), idle=st.sampled_from([0, 3]))
    def begin(self, limit, refuse, idle):
        self.clock = ManualClock()
        make_poller, make_sockets = fakes_in_c.of(self.half, FakePoller, FakeSockets)
        self.poller = make_poller(self.clock)
        self.sockets = make_sockets(self.poller, receive_cap=128, arena_size=1024)
        self.gate = Gate(limit, refuse) if limit else None
        limits = Limits(edge_chunk=self.edge_chunk, idle_timeout=idle, **LIMITS)
        shared = Shared(Walker(self), limits, gate=self.gate)
        self.loop = Loop(0, shared, self.poller, self.sockets, self.clock)
        fakes_in_c.let_raise(self.loop)
        self.loop.claim()
        self.loop.logger = shared.logger
        self.loop.listen(Listener(LISTENER, Address("tcp", "192.0.2.1", 9000), "tcp", None, int), None)
        self.loop.start_accepting()
        self.limit = limit
        self.connected = []
        self.connect(2)  # or most walks would be over before there is anybody to walk with
        self.turn(1)

    def callback(self, method):
        entry = [method, 0]
        self.callbacks.append(entry)

        def call(conn, error):
            assert self.loop.in_loop()
            entry[1] += 1
            if self.plans:
                self.perform(self.peers[conn.id], self.plans.pop())

        return call

    def perform(self, peer, plan):
        """Does one thing to a connection, on the loop."""
        what, size, other = plan
        if other is not None and self.order:
            peer = self.order[other % len(self.order)]
        conn = peer.conn
        open_ = not conn.closed and conn.state is not State.FAILED and not peer.shut
        if what == "raise":
            raise LookupError("on purpose")
        if what == "action_close":
            return Action.CLOSE
        if what == "write":
            data = self.fresh(peer, size)
            try:
                conn.write(data)
            except ConnectionClosedError:
                assert not open_
            else:
                if open_:
                    peer.written += data
        elif what == "sendfile":
            data = self.fresh(peer, size)
            try:
                assert conn.sendfile(self.file, len(peer.written) % 251, size) == size
            except ConnectionClosedError:
                assert not open_
            else:
                if open_:
                    peer.written += data
        elif what == "write_mutable":
            data = bytearray(self.fresh(peer, size))
            try:
                conn.writev([data, memoryview(data)])
            except ConnectionClosedError:
                assert not open_ or conn.closed  # the first of them went over the maximum
                peer.broken = True
            else:
                if open_:
                    peer.written += data + data
            for i in range(len(data)):
                data[i] = 0
        elif what == "async_write":
            data = self.fresh(peer, size)
            conn.async_write(data, self.callback("async_write"))
            peer.broken = True  # its place among the writes is the task's: not modelled
        elif what == "close":
            conn.close(self.callback("close"))
        elif what == "abort":
            peer.broken = True
            conn.abort()
        elif what == "shutdown_write":
            try:
                conn.shutdown_write()
            except ConnectionClosedError:
                assert conn.closed
            peer.shut = True
        elif what == "pause":
            conn.pause_reading()
        elif what == "resume":
            conn.resume_reading()
        elif what == "pause_for":
            conn.pause_reading(size % 2)
        elif what == "resume_for":
            conn.resume_reading(size % 2)
        elif what == "wake":
            conn.wake(self.callback("wake"))
        elif what == "flush":
            conn.flush()
        elif what == "deadline":
            conn.set_deadline(1 + size / 100)
        elif what == "read_deadline":
            conn.set_read_deadline(1 + size / 100)
        elif what == "write_deadline":
            conn.set_write_deadline(1 + size / 100)
        elif what == "disarm":
            for arm in (conn.set_deadline, conn.set_read_deadline, conn.set_write_deadline):
                arm(None)
        elif what == "count":
            assert conn.outbound_buffered >= 0 and conn.inbound_buffered >= 0
        return None

    ACTIONS = (
        *("raise", "action_close", "close", "abort", "shutdown_write", "pause", "resume", "wake", "flush"),
        *("pause_for", "resume_for", "resume_for"),
        *("write", "write", "write", "write_mutable", "async_write", "count"),
        *("sendfile",) * 4,
        *("deadline", "read_deadline", "write_deadline", "disarm"),
    )
    PLAN = st.tuples(st.sampled_from(ACTIONS), SIZE, st.none() | INDEX)

    def fresh(self, peer, size):
        start = len(peer.written) % 251
        return bytes((start + i) % 251 for i in range(size))

    def pick(self, index):
        return self.order[index % len(self.order)]

    # What happens outside.

    @rule(count=st.integers(1, 3))
    def connect(self, count):
        for _ in range(count):
            if len(self.connected) < 12:
                self.connected.append(self.sockets.connect(LISTENER))

    @precondition(lambda self: self.order)
    @rule(index=INDEX, size=st.sampled_from([1, 50, 128, 129, 700]))
    def feed(self, index, size):
        peer = self.pick(index)
        if peer.calls["on_close"] or peer.ended:
            return
        data = bytes((len(peer.fed) + i) % 253 for i in range(size))
        peer.fed += data
        self.sockets.feed(peer.conn.fd, self.raw(data))

    # What a filter between makes of it; without one nothing.

    def raw(self, data):
        return data

    def plain(self, peer):
        """What the peer has been sent, as it understands it."""
        return bytes(self.sockets.sent[peer.conn.fd])

    def say_goodbye(self, peer):
        """What the peer sends before its FIN."""

    @precondition(lambda self: self.order)
    @rule(index=INDEX, error=st.sampled_from([0, 0, errno.ECONNRESET, errno.ETIMEDOUT]))
    def end(self, index, error):
        peer = self.pick(index)
        if peer.calls["on_close"] or peer.ended:
            return
        peer.ended = True
        if error:
            peer.broken = True
            self.sockets.feed_error(peer.conn.fd, error)
            self.sockets.feed_eof(peer.conn.fd)
            self.poller.set_ready(peer.conn.fd, Readiness.HANGUP | Readiness.ERROR)
        else:
            self.say_goodbye(peer)
            self.sockets.feed_eof(peer.conn.fd)

    @precondition(lambda self: self.order)
    @rule(index=INDEX, results=st.lists(st.sampled_from([0, 1, 3, 40, 500, -errno.EPIPE]), max_size=3))
    def script(self, index, results):
        peer = self.pick(index)
        if peer.calls["on_close"]:
            return
        if any(result < 0 for result in results):
            peer.broken = True
        self.sockets.script_sends(peer.conn.fd, *results)

    @precondition(lambda self: self.order)
    @rule(index=INDEX, blocked=st.booleans(), after=st.sampled_from([0, 10, 1000]))
    def block(self, index, blocked, after):
        peer = self.pick(index)
        if peer.calls["on_close"]:
            return
        if blocked:
            self.sockets.block(peer.conn.fd, after)
        else:
            self.sockets.unblock(peer.conn.fd)

    @rule(code=st.sampled_from([errno.EMFILE, errno.ECONNABORTED]))
    def fail_accept(self, code):
        self.sockets.fail_accept(LISTENER, code)

    @rule(how=st.sampled_from(["all", "half", "view", "echo", "nothing"]), eof=st.booleans())
    def change(self, how, eof):
        self.reading = how
        self.defaults = {"on_eof"} if eof else set()

    @rule(plans=st.lists(PLAN, min_size=1, max_size=4))
    def plan(self, plans):
        self.plans = plans

    @precondition(lambda self: self.order)
    @rule(index=INDEX, plans=st.lists(PLAN, min_size=1, max_size=4))
    def do(self, index, plans):
        peer = self.pick(index)

        def task():
            for plan in plans:
                try:
                    self.perform(peer, plan)
                except LookupError:
                    pass

        self.loop.execute(task)

    @rule(seconds=st.sampled_from([0.01, 1.0, 6.0]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule(count=st.integers(1, 4))
    def turn(self, count):
        for _ in range(count):
            self.loop.execute(int)
            self.loop.turn()

    # What holds.

    @invariant()
    def nothing_is_out_of_order(self):
        for peer in self.order:
            assert peer.calls["on_open"] == 1 and peer.calls["on_close"] <= 1
            assert peer.fed.startswith(peer.taken), "received bytes lost or out of order"
            if not peer.broken:
                assert peer.written.startswith(self.plain(peer)), "sent bytes lost or out of order"
            for fd in (peer.conn.fd,):
                closings = self.sockets.closed.count(fd) + self.sockets.resets.count(fd)
                lingering = fd in self.loop._departures.lingering
                assert closings + lingering == peer.calls["on_close"]
                if closings:
                    assert fd not in self.poller.interests
        for method, count in self.callbacks:
            assert count <= 1, f"the callback of {method} ran {count} times"

    @invariant()
    def the_gate_counts_right(self):
        if getattr(self, "gate", None) is not None:
            taken = self.loop.connection_count + len(self.loop.lingering)
            assert self.gate._free == self.limit - taken

    def put_on(self, conn):
        """Puts a filter on, in walks that have one."""

    def check_goodbye(self, peer):
        """Checks that this side's end was announced as it should be."""

    def settle_down(self):
        """Everything flows again; then nothing may go on happening."""
        self.plans = []
        self.reading, self.defaults = "all", {"on_eof"}
        self.turn(3)  # of what was asked for
        for peer in self.order:
            if not peer.calls["on_close"]:
                self.sockets._scripts[peer.conn.fd].clear()
                self.sockets.unblock(peer.conn.fd)
                for reason in (None, 0, 1):
                    peer.conn.resume_reading(reason)
                peer.conn.wake()  # for what the handler has left unread
        self.turn(200)
        left = None
        while left != (left := sum(peer.conn.backlogged for peer in self.order)):
            self.turn(10)  # files are sent little by little

    def teardown(self):
        if not hasattr(self, "loop"):
            return
        self.settle_down()
        self.nothing_is_out_of_order()
        for peer in self.order:
            conn = peer.conn
            if not conn.closed:
                assert peer.taken == peer.fed, "bytes that came were not delivered"
                assert not conn.outbound_buffered, "bytes written were not sent"
                assert not peer.ended or peer.calls["on_eof"], "the end of the stream was not noticed"
            if not peer.broken and conn.close_reason not in (None,) and conn.ending.error is None:
                assert self.plain(peer) == peer.written, "bytes lost in an orderly end"
                self.check_goodbye(peer)
        assert not self.loop._intake.again and not self.loop._aftermath.unsettled, "the loop spins"
        waits = []
        wait = self.poller.wait
        self.poller.wait = lambda timeout: (waits.append(timeout), wait(0))[1]
        self.poller._woken = False
        for _ in range(3):
            self.loop.turn()
        self.poller.wait = wait
        assert 0.0 not in waits[1:], "the loop spins"
        self.loop.stop_now()
        self.loop.close()
        for method, count in self.callbacks:
            assert count == 1, f"the callback of {method} ran {count} times"
        self.nothing_is_out_of_order()
        assert all(peer.calls["on_close"] == 1 for peer in self.order)
        assert not self.poller.interests
        assert not self.loop.connection_count


class EdgeWalk(Walk):
    edge_chunk = 256


class FilterWalk(Walk):
    """The same histories through a filter: its peers speak in records, and take leave with one."""

    toys = None

    def put_on(self, conn):
        conn.put_on(self.toys.ToyFilter(greets=conn.id % 2 == 0))
        if conn.id % 2 == 0:
            self.sockets.feed(conn.fd, self.toys.record(self.toys.HELLO))

    def raw(self, data):
        return self.toys.encode(data)

    def plain(self, peer):
        return self.toys.decode(super().plain(peer))[0]

    def say_goodbye(self, peer):
        self.sockets.feed(peer.conn.fd, self.toys.record(self.toys.CLOSING))

    def check_goodbye(self, peer):
        assert self.toys.decode(super().plain(peer))[1].count(self.toys.CLOSING) == 1


class FilterEdgeWalk(FilterWalk):
    edge_chunk = 256


MACHINES = {"level": Walk, "edge": EdgeWalk, "filter": FilterWalk, "filter, edge": FilterEdgeWalk}


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_a_random_walk(machine, half, tmp_path, monkeypatch, toys):
    machine.toys = toys
    machine.half = half

    class Case(machine.TestCase):
        settings = SETTINGS

    class Part(files.FilePart):
        """One that is counted, and sent from its file although it is small."""

        def __init__(self, *args):
            super().__init__(*args)
            parts.append(self)

        def close(self):
            super().close()
            closed.append(self)

    parts, closed = [], []
    monkeypatch.setattr(files, "_SMALL", 50)
    monkeypatch.setattr(files, "FilePart", Part)
    (tmp_path / "file").write_bytes(bytes(i % 251 for i in range(10_000)))
    with (tmp_path / "file").open("rb") as machine.file:
        Case("runTest").runTest()
    assert parts
    assert len(closed) == len(parts) == len(set(closed))


SETTINGS = settings(
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)
