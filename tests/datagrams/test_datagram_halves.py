"""The two halves of a datagram server side by side: the same history of a kernel, and of calls, on each."""

from __future__ import annotations

import errno
import gc
import random
import weakref

import pytest
from hypothesis import settings

from netcore import Action, Address, ConnectionClosedError, EventHandler, ShortBufferError
from netcore.connection import Limits
from netcore.connection.core import next_id
from netcore.poll import Readiness

READ, WRITE = int(Readiness.READABLE), int(Readiness.WRITABLE)
SIZES = (0, 1, 64, 64, 64, 500, 1024, 1025, 2112, 2113, 4999, 5000)
ANSWERS = (0, 1, 64, 64, 1024, 1025, 8192, 60_000)
CODES = (errno.EAGAIN, errno.ENOBUFS, errno.EMSGSIZE, errno.ECONNREFUSED, errno.EPERM)
LIMITS = (
    Limits(),
    Limits(high_water=4000, low_water=1000, max_outbound=20_000),
    Limits(high_water=300, low_water=0, max_outbound=2000),
    Limits(edge_chunk=6000),
    Limits(edge_chunk=1, high_water=4000, low_water=1000, max_outbound=20_000),
)
RESULTS = (None, None, None, Action.NONE, Action.CLOSE, 7)
HISTORIES = settings().max_examples * 2 // 5


class Walker(EventHandler):
    """Does at each callback what the dice say, and writes down whatever can be seen."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.first_id = next_id()
        self.trace: list[object] = []
        self.kept: list[object] = []
        self.views: list[memoryview] = []
        self.dead: list[int] = []

    def note(self, *seen: object) -> None:
        self.trace.append(seen)

    def answer(self) -> bytes:
        return self.dice.randbytes(self.dice.choice(ANSWERS))

    def act(self, conn) -> None:
        name = self.dice.choice(ACTIONS)
        try:
            seen = getattr(self, "do_" + name)(conn)
        except (ConnectionClosedError, ShortBufferError, TypeError) as error:
            seen = type(error).__name__
        self.note(name, seen, conn.closed)

    def do_read(self, conn):
        return conn.read()

    def do_read_some(self, conn):
        return conn.read(self.dice.randrange(-1, 100))

    def do_read_oddly(self, conn):
        return conn.read(self.dice.choice([True, 10**30, -(10**30), "1"]))

    def do_read_by_name(self, conn):
        return conn.read(n=self.dice.randrange(100))

    def do_read_into(self, conn):
        buffer = bytearray(50)
        return conn.read_into(buffer), bytes(buffer)

    def do_peek(self, conn):
        return bytes(conn.peek(self.dice.randrange(-1, 100)))

    def do_peek_all(self, conn):
        return bytes(conn.peek())

    def do_next(self, conn):
        return bytes(conn.next(min(self.dice.randrange(-1, 100), conn.inbound_buffered)))

    def do_discard(self, conn):
        return conn.discard(self.dice.randrange(-1, 100))

    def do_look(self, conn):
        return bytes(conn.data), conn.inbound_buffered, conn.outbound_buffered, conn.writable, conn.paused

    def do_write(self, conn):
        return conn.write(self.answer())

    def do_echo(self, conn):
        return conn.write(conn.read())

    def do_echo_view(self, conn):
        return conn.write(conn.peek())

    def do_write_by_name(self, conn):
        return conn.write(data=bytearray(self.answer()))

    def do_write_oddly(self, conn):
        return conn.write(self.dice.choice([None, "text", 7]))

    def do_writev(self, conn):
        return conn.writev([self.answer()[:500] for _ in range(self.dice.randrange(4))])

    def do_send_to(self, conn):
        return conn.send_to(self.answer(), Address("udp", f"192.0.2.{self.dice.randrange(1, 9)}", 40001))

    def do_flush(self, conn):
        conn.flush()

    def do_burst(self, conn):
        return [conn.write(b"%d" % number) for number in range(self.dice.randrange(300))], conn.writable

    def do_async_write(self, conn):
        conn.async_write(self.answer(), lambda conn, error: self.note("written", repr(error)))

    def do_wake(self, conn):
        conn.wake(lambda conn, error: self.note("woken", repr(error)))

    def do_keep(self, conn):
        self.kept.append(conn)
        del self.kept[:-20]

    def do_keep_view(self, conn):
        self.views.append(memoryview(conn.peek()))
        return bytes(self.views[-1])

    def do_watch(self, conn):
        number = len(self.trace)
        self.kept.append(weakref.ref(conn, lambda _: self.dead.append(number)))

    def do_name(self, conn):
        conn.context = self.dice.randrange(1000)
        return conn.id - self.first_id

    def do_ask(self, conn):
        return conn.remote_address, conn.context, conn.id - self.first_id, conn.close_reason, conn.network

    def do_close(self, conn):
        conn.close(lambda conn, error: self.note("closed", repr(error)))

    def do_abort(self, conn):
        conn.abort()

    def do_recall(self, conn):
        if self.kept:
            other = self.dice.choice(self.kept)
            other = other() if isinstance(other, weakref.ref) else other
            if other is not None and other is not conn:
                return other.write(self.answer()), other.close_reason
        return None

    def on_traffic(self, conn):
        self.note("on_traffic", conn.inbound_buffered)
        for _ in range(self.dice.randrange(4)):
            self.act(conn)
        if self.dice.random() < 0.05:
            raise LookupError("on purpose")
        return self.dice.choice(RESULTS)

    def on_error(self, conn, error):
        self.note("on_error", repr(error), conn.remote_address, conn.context, conn.closed, conn.close_reason)
        if self.dice.random() < 0.2:
            self.act(conn)
        return self.dice.choice(RESULTS)


ACTIONS = [name[3:] for name in vars(Walker) if name.startswith("do_")]


def run_history(twins, seed: int, hot: bool) -> list[object]:
    """Drives one twin through a history; returns all that was seen."""
    dice = random.Random(-1 - seed)
    walker = Walker(seed)
    twin = twins.Twin(walker, LIMITS[seed % len(LIMITS)], hot)
    assert twin.is_hot == hot
    told = dice.random() < 0.3
    seen: list[object] = []
    try:
        for _ in range(dice.randrange(5, 40)):
            for _ in range(dice.choice([0, 1, 1, 2, 5, 40, 300])):
                name = twins.name_of(dice.randrange(1, 6))
                name = twins.known(name, dice.randrange(1, 4)) if told else name
                size = dice.choice(SIZES)
                data = None if dice.random() < 0.03 else dice.randbytes(size)
                twin.sockets.arriving.append((data, name))
            if dice.random() < 0.1:
                twin.sockets.ended_by = errno.ECONNREFUSED
            if dice.random() < 0.3:
                healthy = [0] * dice.randrange(20)
                twin.sockets.outcomes.extend([*healthy, *dice.choices(CODES, k=dice.randrange(5))])
            if dice.random() < 0.2 and walker.kept:
                walker.note("later")
                conn = dice.choice(walker.kept)
                conn = conn() if isinstance(conn, weakref.ref) else conn
                if conn is not None:
                    twin.loop.execute(walker.act, conn)
            twin.turn(dice.choice([0, READ, READ, READ, READ | WRITE, WRITE]))
            views = [bytes(view) for view in walker.views]
            seen.append((twin.look(), list(walker.trace), sorted(walker.dead), views))
            walker.trace.clear()
        if dice.random() < 0.5:
            walker.kept.clear()
            twin.listener.close()
            seen.append(twin.look())
    finally:
        for view in walker.views:
            view.release()
        twin.close()
    seen.append((list(walker.trace), twin.sockets.batches))
    return seen


@pytest.fixture
def uncollected():
    """Keeps circles of exceptions and their frames from dying at moments of the collector's own."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("seed", range(HISTORIES))
def test_both_halves_live_through_the_same_history(twins, seed):
    hot, cold = (run_history(twins, seed, hot) for hot in (True, False))
    for number, (one, other) in enumerate(zip(hot, cold, strict=True)):
        if one != other:  # pytest takes minutes to explain how two such long ones differ
            pytest.fail(f"step {number}: {one}\n{other}", pytrace=False)
