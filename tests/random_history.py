"""Random histories of an engine's connections: what happens in them, and what holds in all of them.

What a loop stands on is for subclasses: fakes, with each half of the hot path, or a simulated world.
"""

from __future__ import annotations

import errno
import tempfile
from collections import Counter
from contextlib import suppress

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from netcore import Action, ConnectionClosedError, EventHandler, WrongThreadError
from netcore.testing import BROKEN_FAULTS, HARSH_FAULTS, FaultPlan

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
            peer = history.peers[conn.id] = Peer(conn, history.sent_to(conn))
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


class RandomHistory(RuleBasedStateMachine):
    """What happens, in the words of those to whom it does.

    Attributes:
        faults: What may go wrong at random.
        edge_chunk: See ``Options.edge_triggered_chunk``.
        plan: What goes wrong.
    """

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
        self.peers, self.order, self.plans, self.callbacks = {}, [], [], []
        self.portion = -1
        self.odd = seed
        self.stopped = False
        self.menu = self.menu_of_faults()
        self.plan = FaultPlan(0, seed, self.menu)
        self.open(limit, refuse, linger)
        self.connect(3)
        self.turn(2)
        self.plan.rate = rate

    # What it stands on.

    def menu_of_faults(self):
        return self.faults

    def open(self, limit, refuse, linger):
        """Begins to serve, at most so many connections; others are refused, or wait."""
        raise NotImplementedError

    def knock(self, count):
        """Has clients connect."""
        raise NotImplementedError

    def take_turns(self, count):
        """Lets the loop go on."""
        raise NotImplementedError

    def pass_time(self, seconds):
        raise NotImplementedError

    def stall(self, seconds):
        """Has a callback take long."""
        raise NotImplementedError

    def meddle(self, peer):
        """Has another thread call."""
        raise NotImplementedError

    def sent_to(self, conn):
        """Returns what its peer has got, which grows."""
        raise NotImplementedError

    def say(self, peer, data):
        """Has the peer send; returns how much of it there was room for."""
        raise NotImplementedError

    def hang_up(self, peer, code):
        """Has the peer end its stream, or reset it."""
        raise NotImplementedError

    def hold(self, peer, after):
        """Has the peer take nothing any more beyond so many bytes; None for as much as comes."""
        raise NotImplementedError

    def refuse_more(self):
        """Stops accepting."""
        raise NotImplementedError

    def failed(self, error):
        """Is told what a callback finds wrong, which netcore would take for the callback's own fault."""

    # What the application does.

    def callback(self):
        runs = []
        self.callbacks.append(runs)

        def run(conn, error):
            assert conn.loop.in_loop()
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
            self.stall(2.5)
            return None
        if what == "stranger":
            peer.broken = True
            self.meddle(peer)
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
        for wrongly in (lambda: conn.write(bytearray(b"wrong")), conn.flush, lambda: conn.loop.turn(0)):
            with suppress(WrongThreadError, ConnectionClosedError, RuntimeError):
                wrongly()
        conn.async_write(self.fresh(peer, 30), self.callback())
        conn.wake(self.callback())
        conn.pause_reading()
        conn.resume_reading()
        conn.loop.execute(int)

    # What happens.

    def alive(self, index):
        peer = self.order[index % len(self.order)]
        return None if peer.calls["on_close"] else peer

    @rule(count=st.integers(1, 4))
    def connect(self, count):
        if not self.stopped:
            self.knock(count)

    @precondition(lambda self: self.order)
    @rule(index=INDEX, size=st.sampled_from([1, 60, 300]), soon=st.booleans())
    def feed(self, index, size, soon):
        peer = self.alive(index)
        if peer and not peer.ended:
            data = bytes((len(peer.fed) + i) % 253 for i in range(size))
            peer.fed += data[: self.say(peer, data)]
            if soon:
                self.turn(1)

    @precondition(lambda self: self.order)
    @rule(index=INDEX, code=st.sampled_from([0, 0, errno.ECONNRESET]))
    def end(self, index, code):
        peer = self.alive(index)
        if peer and not peer.ended:
            peer.ended = True
            peer.broken = peer.broken or bool(code)
            self.hang_up(peer, code)

    @precondition(lambda self: self.order)
    @rule(index=INDEX, after=st.sampled_from([None, 0, 50]))
    def block(self, index, after):
        peer = self.alive(index)
        if peer:
            self.hold(peer, after)

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

        peer.conn.loop.execute(task)
        if soon:
            self.turn(1)

    @rule(seconds=st.sampled_from([0.05, 1.0, 6.0]))
    def wait(self, seconds):
        self.pass_time(seconds)

    @rule(count=st.integers(1, 5))
    def turn(self, count):
        self.take_turns(count)

    @rule()
    def stop_accepting(self):
        self.refuse_more()
        self.stopped = True

    # What holds.

    def opened(self):
        """Whether there is something to look at."""
        return hasattr(self, "order")

    @invariant()
    def everything_is_in_order(self):
        if not self.opened():
            return
        for peer in self.order:
            assert peer.calls["on_open"] == 1 and peer.calls["on_close"] <= 1
            assert peer.fed.startswith(peer.taken), "received bytes were lost, doubled or another's"
            if not peer.broken:
                assert peer.written.startswith(peer.sent), "sent bytes were lost, doubled or another's"
        assert all(len(runs) <= 1 for runs in self.callbacks), "a callback ran twice"
        self.descriptors_are_in_order({peer.conn.fd for peer in self.order if not peer.calls["on_close"]})

    def descriptors_are_in_order(self, here):
        """Looks whether those of the connections are open, and no others."""
        raise NotImplementedError


class NoErrors:
    """Where nothing may cost a connection anything."""

    @invariant()
    def no_error_is_told(self):
        for peer in getattr(self, "order", ()):
            error = getattr(peer, "error", None)
            if error is not None and not peer.broken:
                on_purpose = isinstance(error, (TimeoutError, LookupError))
                assert on_purpose or error.errno == errno.ENOBUFS


def live(machine):
    """Has a machine live through histories."""

    class Case(machine.TestCase):
        settings = SETTINGS

    Case("runTest").runTest()


SETTINGS = settings(
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)
