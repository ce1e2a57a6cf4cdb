"""One history, lived through by a loop over fakes, with everything written down that anybody could notice.

A history is a list of steps that were drawn before, so that two loops can live through the same one: what
peers do, and what the handler does in the callbacks, one after the other as they come.
"""

from __future__ import annotations

import array
import contextlib
import dataclasses
import errno
import gc
import io
import logging
import pickle
import re

import fakes_in_c
from hypothesis import strategies as st
from toys import ToyFilter, encode

from netcore import Action, Address, EventHandler
from netcore.connection import Limits
from netcore.eventloop import Listener, Loop, Shared
from netcore.poll import Readiness
from netcore.testing import FakePoller, FakeSockets, ManualClock

LISTENER = 50
PATTERN = bytes(i % 251 for i in range(140_000))
SIZES = [0, 1, 2, 7, 60, 1023, 1024, 1025, 8191, 8192, 16383, 16384, 16385, 65535, 65536, 65537]


class Index:
    """A number that is none."""

    def __init__(self, number, before=None):
        self.number = number
        self.before = before

    def __index__(self):
        if self.before is not None:
            self.before()
        return self.number


class Derived(bytes):
    """Bytes that are not of the usual class."""


class Farewell:
    """Does something when nobody looks at it any more."""

    def __init__(self, act):
        self.act = act

    def __del__(self):
        self.act()


# What a handler does: a name, a size, and which connection it does it to, None being its own.

NUMBERS = [
    "size",
    "all",
    "none",
    "minus",
    "huge",
    "tiny",
    "true",
    "index",
    "closing",
    "float",
    "text",
    "two",
]
LOOKS = ["read", "peek", "next", "discard"]
PAYLOADS = [
    "bytes",
    "bytearray",
    "view",
    "derived",
    "array",
    "slice",
    "strided",
    "text",
    "none",
]
DEEDS = (
    *(f"{method} {number}" for method in LOOKS for number in [*NUMBERS, "named"]),
    *("read all",) * 8,
    *("read size", "peek size", "next size", "next all") * 3,
    *(f"write {payload}" for payload in PAYLOADS),
    *("echo", "echo view", "echo view", "echo next", "keep view", "export view", "read_into", "write_to"),
    *("write bytes",) * 8,
    *("writev", "sendfile", "flush", "async_write", "wake"),
    *("close", "abort", "shutdown_write", "pause", "resume", "raise", "action_close", "odd result"),
    *("pause_for", "resume_for", "resume_for"),
    *("deadline", "read_deadline", "write_deadline", "disarm", "stall", "farewell", "count"),
)


def deeds(sizes, others):
    """Strategy of what is done in one callback."""
    whom = st.none() | st.integers(0, 7) if others else st.none()
    return st.lists(st.tuples(st.sampled_from(DEEDS), st.sampled_from(sizes), whom), max_size=4)


def steps(sizes, others, peers):
    """Strategy of one step of a history."""
    index, size = st.integers(0, 7 if peers > 1 else 0), st.sampled_from(sizes)
    feed = st.tuples(st.just("feed"), index, size)
    plan = st.tuples(st.just("plan"), deeds(sizes, others))
    turn = st.tuples(st.just("turn"), st.integers(1, 3))
    return st.one_of(
        *(feed, feed, feed, plan, plan, plan, turn, turn),
        *([st.tuples(st.just("connect"), st.integers(1, 3))] if peers > 1 else []),
        *([st.tuples(st.just("feed_all"), size)] * 4 if peers > 9 else []),
        st.tuples(st.just("do"), index, deeds(sizes, others)),
        st.tuples(st.just("end"), index, st.sampled_from([0, errno.ECONNRESET, errno.EINTR, errno.EAGAIN])),
        st.tuples(
            st.just("script"), index, st.lists(st.sampled_from([0, 1, 900, 20000, -errno.EPIPE]), max_size=3)
        ),
        st.tuples(st.just("block"), index, st.sampled_from([0, 10, 1024, 20000])),
        st.tuples(st.just("unblock"), index),
        st.tuples(st.just("trouble"), index, st.sampled_from([1, 2, 4, 8, 3, 9, 15])),
        st.tuples(st.just("pass"), st.sampled_from([0.01, 1.0, 6.0])),
        st.tuples(st.just("collect")),
    )


def brief_steps():
    """Strategy of one step of a history of connections that come, say a little, and go."""
    index, size = st.integers(0, 7), st.sampled_from([1, 60, 1024])
    others = st.sampled_from(
        ["action_close", "close", "abort", "raise", "pause", "resume", "shutdown_write", "deadline", "disarm"]
    )
    last = st.sampled_from(["action_close", "action_close", "action_close", "read all", "echo"]) | others
    plan = st.lists(st.tuples(st.just("echo") | last, size, st.none()), max_size=3)
    return st.one_of(
        *[st.tuples(st.just("connect"), st.integers(1, 4))] * 3,
        *[st.tuples(st.just("feed"), index, size)] * 3,
        *[st.tuples(st.just("end"), index, st.sampled_from([0, 0, 0, 0, errno.ECONNRESET]))] * 4,
        *[st.tuples(st.just("plan"), plan)] * 2,
        *[st.tuples(st.just("turn"), st.integers(1, 2))] * 4,
        st.tuples(st.just("block"), index, st.sampled_from([0, 10])),
        st.tuples(st.just("unblock"), index),
        st.tuples(st.just("pass"), st.sampled_from([0.01, 1.0, 6.0])),
    )


class Apart(FakePoller):
    """Tells of what is only readable in one wait, of everything else in another, and sometimes of nothing.

    The order of connections in a turn is nobody's business, and differs between the halves if some are ready
    for more than reading, or are received from once more. That counts only if they act on each other.

    Attributes:
        again: What is received from in the next turn anyway.
    """

    again = ()

    def _collect(self, peek):
        found = [] if self.again else super()._collect(True)
        readable = [each for each in found if each[1] == Readiness.READABLE]
        chosen = readable or found
        if not peek:
            for fd, readiness in chosen:
                self._edges[fd] = self._edges.get(fd, 0) & ~readiness
            self._rotate(chosen)
        return chosen


class Driven(Apart):
    """Lets the history go on where a loop waits, as it does in all turns of a thread of its own."""

    goes_on = staticmethod(lambda: True)

    def wait(self, timeout):
        if not self.goes_on():
            return []
        return super().wait(0.0 if timeout is None else timeout)


class Told(EventHandler):
    """Writes down each callback, and does what is planned next."""

    def __init__(self, world):
        self.world = world

    def on_open(self, conn):
        self.world.numbers[conn] = len(self.world.numbers)
        self.world.conns.append(conn)
        return self.world.told("on_open", conn)

    def on_traffic(self, conn):
        return self.world.told("on_traffic", conn)

    def on_eof(self, conn):
        return self.world.told("on_eof", conn)

    def on_writable(self, conn):
        return self.world.told("on_writable", conn)

    def on_timeout(self, conn, timeout):
        return self.world.told("on_timeout", conn, timeout.value)

    def on_error(self, conn, error):
        return self.world.told("on_error", conn, error)

    def on_close(self, conn, error):
        return self.world.told("on_close", conn, error)


class World:
    """A loop that lives through a history.

    Args:
        counts_output: Whether ``outbound_buffered`` is asked for, which in a crowd has everything sent.
        idle_timeout: Seconds; 0 for none.
        ends: What the handler does at the end of a stream, and at a deadline, if nothing is planned.
        filtered: Whether each connection has a filter from its ``on_open``, and peers speak as it wants it.

    Attributes:
        log: What could be noticed, in order: of each entry the first is the number of a connection, or None.
    """

    def __init__(
        self,
        half,
        file,
        cap,
        arena,
        poller=FakePoller,
        edge_chunk=0,
        counts_output=True,
        idle_timeout=0,
        ends="echo",
        filtered=False,
    ):
        self.clock = ManualClock()
        make_poller, make_sockets = fakes_in_c.of(half, poller, FakeSockets)
        self.poller = make_poller(self.clock)
        self.sockets = make_sockets(self.poller, receive_cap=cap, arena_size=arena)
        limits = Limits(
            high_water=40_000,
            low_water=9000,
            max_outbound=300_000,
            max_inbound=200_000,
            write_cap=20_000,
            close_timeout=5,
            edge_chunk=edge_chunk,
            idle_timeout=idle_timeout,
        )
        silent = logging.Logger("silent", logging.CRITICAL + 1)
        shared = Shared(Told(self), limits, logger=silent)
        self.loop = Loop(0, shared, self.poller, self.sockets, self.clock)
        fakes_in_c.let_raise(self.loop)
        self.poller.again = self.loop._intake.again
        self.loop.claim()
        self.loop.listen(Listener(LISTENER, Address("tcp", "192.0.2.1", 9000), "tcp", None, int), None)
        self.loop.start_accepting()
        self.file = file
        self.log, self.plans, self.numbers, self.conns, self.views, self.gone = [], [], {}, [], [], set()
        self.future, self.over = [], False
        self.counts_output = counts_output
        self.ends = ends
        self.filtered = filtered

    # What is written down.

    def plain(self, value):
        """Makes what two worlds can be compared by."""
        if isinstance(value, (bytes, bytearray, memoryview)):
            data = bytes(value)
            return type(value).__name__, len(data), hash(data)
        if isinstance(value, BaseException):
            text = re.sub(r"(connection) \d+", r"\1", str(value))
            return type(value).__name__, getattr(value, "errno", None), re.sub(r"0x\w+", "", text)
        return value

    def look(self, conn):
        return (
            *(conn.bytes_received, conn.bytes_sent, conn.age),
            *(conn.inbound_buffered, conn.outbound_buffered if self.counts_output else 0, conn.writable),
            *(conn.state.name, conn.closed),
            *(conn.paused, conn.close_reason, conn.receiving, conn.interest, conn.wire == conn.fd),
            self.loop._turn.sleep is None,
        )

    def note(self, conn, *what):
        self.log.append((self.numbers.get(conn), *map(self.plain, what)))

    def look_around(self):
        for number, conn in enumerate(self.conns):
            if conn is not None:
                ends = (self.sockets.closed, self.sockets.resets, self.sockets.shut)
                met = [fds.count(conn.fd) for fds in ends]
                self.log.append(
                    (number, "look", *self.look(conn), *met, self.plain(self.sockets.sent[conn.fd]))
                )
        for number, kind, view in self.views:
            try:
                self.log.append((number, kind, self.plain(view)))
            except ValueError:
                self.log.append((number, kind, "released"))
        self.views = [each for each in self.views if each[1] == "exported"]
        counts = self.loop.metrics()
        if self.loop.limits.idle_timeout:
            # Who ends in the turn in which his deadlines come up may leave a timer for nobody, or none.
            counts = dataclasses.replace(counts, timers_armed=0)
        self.log.append((None, "counts", repr(counts)))
        self.log.append((None, "poller", tuple(sorted(self.poller.interests.items()))))
        self.log.append((None, "loop", self.clock.now, self.loop.outbox.size, len(self.loop._intake.again)))

    # What the handler does.

    def told(self, name, conn, detail=None):
        if self.filtered and name == "on_open":
            conn.put_on(ToyFilter())
        self.note(conn, name, detail, *self.look(conn))
        usual = self.ends if name in ("on_eof", "on_timeout") else "echo"
        return self.act(conn, self.plans.pop() if self.plans else [(usual, 0, None)])

    def act(self, conn, plan):
        result = None
        for deed, size, other in plan:
            alive = [each for each in self.conns if each is not None]
            target = conn if other is None or not alive else alive[other % len(alive)]
            if deed == "raise":
                raise LookupError("on purpose")
            if deed == "action_close":
                result = Action.CLOSE
            elif deed == "odd result":
                result = 17
            else:
                try:
                    done = self.do(target, deed, size)
                except Exception as error:
                    done = error
                self.note(target, deed, size, done, *self.look(target))
        return result

    def do(self, conn, deed, size):
        how, _, kind = deed.partition(" ")
        if how in LOOKS:
            return self.ask(conn, getattr(conn, how), kind, size)
        if how == "write":
            return conn.write(self.payload(kind, size))
        return getattr(self, f"_{deed.replace(' ', '_')}")(conn, size)

    def ask(self, conn, method, kind, size):
        if kind == "named":
            return method(n=size)
        arguments = {
            "size": [size],
            "all": [],
            "none": [None],
            "minus": [-1],
            "huge": [2**70],
            "tiny": [-(2**70)],
            "true": [True],
            "index": [Index(size)],
            "closing": [Index(size, conn.close)],
            "float": [1.5],
            "text": ["2"],
            "two": [1, 2],
        }
        return method(*arguments[kind])

    def payload(self, kind, size):
        data = PATTERN[:size]
        return {
            "bytes": lambda: data,
            "bytearray": lambda: bytearray(data),
            "view": lambda: memoryview(data),
            "derived": lambda: Derived(data),
            "array": lambda: array.array("H", data[: size // 2 * 2]),
            "slice": lambda: memoryview(PATTERN)[5 : 5 + size],
            "strided": lambda: memoryview(data)[::2],
            "text": lambda: "text",
            "none": lambda: None,
        }[kind]()

    def _echo(self, conn, size):
        return conn.write(conn.read())

    def _echo_view(self, conn, size):
        n = conn.write(conn.peek())
        return n, conn.discard(n)

    def _echo_next(self, conn, size):
        return conn.write(conn.next(min(size, conn.inbound_buffered)))

    def _keep_view(self, conn, size):
        self.views.append((self.numbers[conn], "kept", conn.peek()))

    def _export_view(self, conn, size):
        self.views.append((self.numbers[conn], "exported", memoryview(pickle.PickleBuffer(conn.next()))))

    def _read_into(self, conn, size):
        target = bytearray(size)
        return conn.read_into(target), bytes(target)

    def _write_to(self, conn, size):
        file = io.BytesIO()
        return conn.write_to(file), file.getvalue()

    def _writev(self, conn, size):
        return conn.writev([PATTERN[:size], bytearray(b"and"), memoryview(PATTERN)[: size // 2]])

    def _sendfile(self, conn, size):
        return conn.sendfile(self.file, 3, size)

    def _flush(self, conn, size):
        return conn.flush()

    def _settled(self, what):
        return lambda conn, error: self.note(conn, f"{what} is settled", error)

    def _async_write(self, conn, size):
        return conn.async_write(PATTERN[:size], self._settled("async_write"))

    def _wake(self, conn, size):
        return conn.wake(self._settled("wake"))

    def _close(self, conn, size):
        return conn.close(self._settled("close"))

    def _abort(self, conn, size):
        return conn.abort()

    def _shutdown_write(self, conn, size):
        return conn.shutdown_write()

    def _pause(self, conn, size):
        return conn.pause_reading()

    def _resume(self, conn, size):
        return conn.resume_reading()

    def _pause_for(self, conn, size):
        return conn.pause_reading(size % 2)

    def _resume_for(self, conn, size):
        return conn.resume_reading(size % 2)

    def _deadline(self, conn, size):
        return conn.set_deadline(1 + size % 7)

    def _read_deadline(self, conn, size):
        return conn.set_read_deadline(1 + size % 7)

    def _write_deadline(self, conn, size):
        return conn.set_write_deadline(1 + size % 7)

    def _disarm(self, conn, size):
        for arm in (conn.set_deadline, conn.set_read_deadline, conn.set_write_deadline):
            arm(None)

    def _stall(self, conn, size):
        self.clock.advance(0.5 + size % 3)

    def _count(self, conn, size):
        return self.loop.outbox.bytes_of(conn) if self.counts_output else 0, len(self.loop.connections())

    def _farewell(self, conn, size):
        """Has a neighbour written to when this connection is gone for good."""
        alive = [each for each in self.conns if each is not None]
        neighbour = alive[size % len(alive)]

        def act():
            with contextlib.suppress(Exception):
                neighbour.write(PATTERN[:size])

        if neighbour is not conn:
            conn.context = Farewell(act)
            self.gone.add(conn)

    # What happens outside.

    def live(self, history):
        """Lives through a history, up to the end of the loop."""
        if isinstance(self.poller, Driven):
            self.future = list(reversed(history))
            self.poller.goes_on = self.goes_on
            while not self.over:
                self.loop._turn.run(goes_on=True)
            self.poller.goes_on = lambda: True
        else:
            for step, *arguments in history:
                getattr(self, f"step_{step}")(*arguments)
        self.plans.clear()
        for conn in self.conns:
            if conn is not None and not conn.closed:
                self.sockets._scripts[conn.fd].clear()
                self.sockets.unblock(conn.fd)
                conn.resume_reading()
        self.step_turn(9)
        self.loop.stop_now()
        self.loop.close()
        self.look_around()

    def goes_on(self):
        """Has the next steps happen, up to the next turn; whether there are any."""
        self.look_around()
        self.over = not self.future
        while self.future:
            step, *arguments = self.future.pop()
            if step == "turn":
                break
            getattr(self, f"step_{step}")(*arguments)
        return not self.over

    def pick(self, index):
        alive = [conn for conn in self.conns if conn is not None and conn.fd in self.poller.interests]
        return alive[index % len(alive)] if alive else None

    def step_connect(self, count):
        for _ in range(count):
            self.sockets.connect(LISTENER)

    def said(self, data):
        """What a peer sends for the handler to read this."""
        return encode(data) if self.filtered else data

    def step_feed(self, index, size):
        conn = self.pick(index)
        if conn is not None and size:
            self.sockets.feed(conn.fd, self.said(PATTERN[:size]))

    def step_feed_all(self, size):
        for conn in self.conns:
            if conn is not None and size and conn.fd in self.poller.interests:
                self.sockets.feed(conn.fd, self.said(PATTERN[:size]))

    def step_end(self, index, code):
        conn = self.pick(index)
        if conn is not None:
            self.sockets.feed_error(conn.fd, code) if code else self.sockets.feed_eof(conn.fd)

    def step_script(self, index, results):
        conn = self.pick(index)
        if conn is not None:
            self.sockets.script_sends(conn.fd, *results)

    def step_block(self, index, after):
        conn = self.pick(index)
        if conn is not None:
            self.sockets.block(conn.fd, after)

    def step_unblock(self, index):
        conn = self.pick(index)
        if conn is not None:
            self.sockets.unblock(conn.fd)

    def step_trouble(self, index, readiness):
        conn = self.pick(index)
        if conn is not None:
            self.poller.set_ready(conn.fd, Readiness(readiness))

    def step_pass(self, seconds):
        self.clock.advance(seconds)

    def step_plan(self, plan):
        self.plans.insert(0, plan)

    def step_do(self, index, plan):
        conn = self.pick(index)
        if conn is not None:
            self.loop.execute(lambda: self.act(conn, [deed for deed in plan if deed[0] != "raise"]) and None)

    def step_collect(self):
        gc.collect()

    def step_turn(self, count):
        for _ in range(count):
            self.loop.execute(int)
            self.loop.turn()
            for conn in self.gone:
                if conn.closed and conn in self.conns:
                    self.conns[self.conns.index(conn)] = None
            self.gone = {conn for conn in self.gone if conn in self.conns}
            self.look_around()
