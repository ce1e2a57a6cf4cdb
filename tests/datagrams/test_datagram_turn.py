"""The turn of a loop that serves datagrams, over fakes: no kernel, no thread, no clock."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable

import pytest

from netcore import Address, CloseReason, EventHandler
from netcore.connection import DatagramConnection, Limits
from netcore.eventloop import Loop, Shared
from netcore.eventloop.datagrams import _Reader
from netcore.poll import Interest
from netcore.sockets import CONNECTED, pack_name
from netcore.testing import FakePoller, FakeSockets, ManualClock, RecordingHandler

FD, DIALLED = 60, 61
LOCAL = Address("udp", "192.0.2.1", 9000)


class World:
    """A loop with one datagram server, and one dialled connection if it is asked for."""

    def __init__(self, handler: EventHandler, limits: Limits) -> None:
        self.handler = handler
        self.clock = ManualClock()
        self.poller = FakePoller(self.clock)
        self.sockets = FakeSockets(self.poller)
        self.loop = Loop(0, Shared(handler, limits), self.poller, self.sockets, self.clock)
        self.loop.claim()
        self.listener = self.loop.listen_for_datagrams(FD, socket.AF_INET, LOCAL)
        self.loop.start_accepting()

    def dial(self) -> DatagramConnection:
        """Puts a dialled connection onto the loop, as ``DatagramServing.join`` does with a socket."""
        conn = DatagramConnection(self.loop, DIALLED, socket.AF_INET, Address("udp", "192.0.2.9", 53), LOCAL)
        self.loop.take_in(conn, None)
        return conn

    def feed(self, *datagrams: bytes | None, fd: int = FD) -> None:
        """Lets datagrams arrive and the loop handle them."""
        for data in datagrams:
            self.sockets.feed_datagram(fd, data)
        self.loop.turn()

    def turns(self, count: int = 1) -> None:
        """Runs turns; a task keeps each from waiting."""
        for _ in range(count):
            self.loop.execute(int)
            self.loop.turn()

    def sent(self, fd: int = FD) -> list[bytes]:
        """What a socket has sent."""
        return [data for data, _ in self.sockets.datagrams[fd]]


@pytest.fixture
def world() -> Callable[..., World]:
    """Makes a world: ``world(limits, on_traffic=...)``."""

    def make(limits: Limits | None = None, **callbacks: object) -> World:
        return World(RecordingHandler(**callbacks), limits or Limits())

    return make


def echo(conn) -> None:
    conn.write(conn.read())


def test_a_turn_sends_all_answers_in_one_batch_and_in_order(world):
    calls = []
    made = world(on_traffic=echo)
    send = made.sockets.send_datagrams
    made.sockets.send_datagrams = lambda *batch: calls.append(batch) or send(*batch)
    made.feed(b"one", b"", b"three")
    assert made.sent() == [b"one", b"", b"three"]
    assert len(calls) == 1
    sender = pack_name(socket.AF_INET, ("192.0.2.7", 40000))
    assert {name for _, name in made.sockets.datagrams[FD]} == {sender}


def test_a_turn_takes_a_bounded_number_of_datagrams(world):
    made = world(on_traffic=echo)
    made.feed(*[b"x"] * 1000)
    assert len(made.sent()) == 256
    made.turns(3)
    assert len(made.sent()) == 1000


def test_a_stream_has_its_turn_between_two_batches(world):
    from netcore.eventloop import Listener

    order = []
    made = world(on_traffic=lambda conn: order.append(conn.network) or conn.discard())
    acceptor = made.loop.listen(Listener(50, Address("tcp", "192.0.2.1", 1), "tcp", None, int), None)
    acceptor.start()
    stream = made.sockets.connect(50)
    made.turns()
    for _ in range(600):
        made.sockets.feed_datagram(FD, b"x")
    for _ in range(3):
        made.sockets.feed(stream, b"y")
        made.turns()
    assert [place for place, network in enumerate(order) if network == "tcp"] == [0, 257, 514]


def test_large_answers_leave_before_the_end_of_the_turn(world):
    seen = []

    def on_traffic(conn):
        for _ in range(10):
            conn.write(b"x" * 60_000)
            seen.append(conn.outbound_buffered)

    made = world(on_traffic=on_traffic)
    made.feed(b"go")
    assert max(seen) < 300_000
    assert len(made.sent()) == 10


def test_datagrams_wait_in_order_while_the_kernel_is_full(world):
    made = world(on_traffic=echo)
    made.sockets.script_sends(FD, 1, 0)
    made.feed(b"a", b"b", b"c")
    assert made.sent() == [b"a"]
    assert made.poller.interests[FD] == Interest.READ | Interest.WRITE
    made.sockets.block(FD)
    made.feed(b"d")
    assert made.sent() == [b"a"]
    made.sockets.unblock(FD)
    made.turns()
    assert made.sent() == [b"a", b"b", b"c", b"d"]
    assert made.poller.interests[FD] == Interest.READ
    made.feed(b"e")
    assert made.sent()[-1] == b"e"


def test_a_refill_that_is_cut_short_goes_on_where_it_was(world):
    made = world(on_traffic=echo)
    made.sockets.block(FD)
    made.feed(*[b"%d" % number for number in range(10)])
    made.sockets.script_sends(FD, 1, 1, -errno.EMSGSIZE, 1, 0)
    made.sockets.unblock(FD)
    made.turns()
    assert made.sent() == [b"0", b"1", b"3"]
    made.turns()
    assert made.sent() == [b"0", b"1"] + [b"%d" % number for number in range(3, 10)]
    assert [error.errno for error in made.handler.details("on_error")] == [errno.EMSGSIZE]


def test_water_marks_of_a_server(world):
    seen = []
    made = world(Limits(high_water=100, low_water=50), on_traffic=lambda conn: conn.write(b"x" * 30) and None)
    made.sockets.block(FD)
    for _ in range(5):
        made.feed(b"?")
        conn = made.handler.wait_for("on_traffic").conn
        seen.append((conn.outbound_buffered, conn.writable))
    assert seen == [(30, True), (60, True), (90, True), (120, False), (150, False)]
    made.sockets.unblock(FD)
    made.turns()
    assert (conn.outbound_buffered, conn.writable) == (0, True)


def test_a_server_drops_what_is_beyond_the_limit_and_says_so(world, caplog):
    made = world(Limits(high_water=100, low_water=50, max_outbound=1000), on_traffic=echo)
    made.sockets.block(FD)
    with caplog.at_level(logging.WARNING, "netcore"):
        made.feed(*[b"%03d" % number * 100 for number in range(10)])
    assert "datagrams are dropped" in caplog.text
    assert len(caplog.records) == 1
    assert made.handler.wait_for("on_traffic").conn.outbound_buffered <= 1000
    made.sockets.unblock(FD)
    made.turns(2)
    assert 1 <= len(made.sent()) <= 3
    assert made.loop.metrics().datagrams_dropped == 10 - len(made.sent())
    assert made.sent()[0] == b"000" * 100


def test_empty_datagrams_cannot_fill_the_memory_either(world):
    made = world(Limits(high_water=100, low_water=50, max_outbound=1000), on_traffic=echo)
    made.sockets.block(FD)
    made.feed(*[b""] * 200)
    made.sockets.unblock(FD)
    made.turns(2)
    assert 10 <= len(made.sent()) <= 20


def test_an_error_of_one_datagram_reaches_its_sender_alone(world):
    made = world(on_traffic=echo)
    made.sockets.script_sends(FD, 1, -errno.EMSGSIZE, 1)
    made.sockets.feed_datagram(FD, b"a", port=1)
    made.sockets.feed_datagram(FD, b"b", port=2)
    made.feed(b"c")
    assert made.sent() == [b"a", b"c"]
    event = made.handler.wait_for("on_error")
    assert event.detail.errno == errno.EMSGSIZE
    assert event.conn.remote_address == Address("udp", "192.0.2.7", 2)
    assert event.conn is made.handler.wait_for("on_traffic", 2).conn


def test_an_error_of_receiving_reaches_on_error_and_the_reader_goes_on(world):
    made = world()
    made.sockets.feed_datagram(FD, b"before")
    made.sockets.fail_datagrams(FD, errno.ECONNREFUSED)
    made.sockets.feed_datagram(FD, b"behind")
    made.turns(2)
    assert isinstance(made.handler.wait_for("on_error").detail, ConnectionRefusedError)
    assert made.handler.details("on_traffic") == [b"before", b"behind"]


def test_a_datagram_that_is_too_long_reaches_on_error(world):
    made = world()
    made.feed(b"a", None, b"b")
    assert made.handler.names()[-3:] == ["on_traffic", "on_error", "on_traffic"]
    event = made.handler.wait_for("on_error")
    assert (event.detail.errno, event.conn.remote_address.port) == (errno.EMSGSIZE, 40000)


def test_edges_are_drained_within_the_chunk_and_then_rescheduled(world):
    made = world(Limits(edge_chunk=1024), on_traffic=echo)
    assert made.poller.interests[FD] == Interest.READ | Interest.EDGE
    made.feed(*[b"x" * 100] * 1000)
    assert len(made.sent()) == 256
    made.turns(4)
    assert len(made.sent()) == 1000


def test_a_lasting_error_does_not_hold_an_edge_triggered_loop(world):
    made = world(Limits(edge_chunk=1024))
    for _ in range(5):
        made.sockets.fail_datagrams(FD, errno.ENOMEM)
    made.turns()
    assert made.handler.names().count("on_error") == 1
    made.turns(5)
    assert made.handler.names().count("on_error") == 5


def test_the_end_sends_what_was_written_and_closes_once(world):
    made = world(on_traffic=echo)
    made.sockets.feed_datagram(FD, b"last")
    made.loop.serve([FD], None)
    conn = made.handler.wait_for("on_traffic").conn
    made.loop.stop(10)
    made.loop.stop(10)
    assert made.sent() == [b"last"]
    assert made.sockets.closed == [FD]
    assert FD not in made.poller.interests
    assert (conn.closed, conn.close_reason) == (True, CloseReason.SHUTDOWN)


def test_a_fork_lets_go_of_the_socket(world):
    made = world()
    conn = made.dial()
    made.loop.abandon()
    assert set(made.sockets.closed) == {FD, DIALLED}
    assert conn.closed
    assert made.loop.connection_count == 0


# Dialled connections.


def test_a_dialled_connection_sends_to_its_peer(world):
    made = world(on_open=lambda conn: conn.write(b"first") and None)
    conn = made.dial()
    made.turns()
    conn.write(b"second")
    made.turns()
    assert made.sockets.datagrams[DIALLED] == [(b"first", CONNECTED), (b"second", CONNECTED)]


def test_a_pause_in_mid_batch_keeps_the_rest(world):
    def on_traffic(conn):
        seen.append(conn.read())
        if len(seen) == 2:
            conn.pause_reading()

    seen = []
    made = world(on_traffic=on_traffic)
    conn = made.dial()
    made.feed(b"1", b"2", b"3", b"4", fd=DIALLED)
    assert seen == [b"1", b"2"]
    assert made.poller.interests[DIALLED] == 0
    made.sockets.feed_datagram(DIALLED, b"5")
    made.turns()
    assert seen == [b"1", b"2"]
    conn.resume_reading()
    made.turns(3)
    assert seen == [b"1", b"2", b"3", b"4", b"5"]


def test_a_close_in_mid_batch_drops_the_rest(world):
    made = world(on_traffic=lambda conn: conn.close())
    made.dial()
    made.feed(b"1", b"2", b"3", fd=DIALLED)
    assert made.handler.names() == ["on_open", "on_traffic", "on_close"]
    assert made.sockets.closed == [DIALLED]


def test_on_writable_of_a_dialled_connection(world):
    made = world(Limits(high_water=100, low_water=10))
    conn = made.dial()
    made.sockets.block(DIALLED)
    conn.write(b"x" * 99)
    made.turns()
    assert conn.writable
    conn.write(b"y")
    made.turns()
    assert not conn.writable
    made.sockets.unblock(DIALLED)
    made.turns(2)
    assert conn.writable
    assert made.handler.names() == ["on_open", "on_writable"]


def test_too_much_output_ends_a_dialled_connection(world):
    made = world(Limits(high_water=100, low_water=10, max_outbound=1000))
    conn = made.dial()
    made.sockets.block(DIALLED)
    for _ in range(20):
        conn.write(b"x" * 100)
        if conn.closed:
            break
        made.turns()
    made.turns()
    assert conn.close_reason is CloseReason.OVERFLOW
    assert made.handler.wait_for("on_close").detail.errno == errno.ENOBUFS
    assert made.sockets.resets == [DIALLED]


def test_a_close_waits_for_the_kernel_and_gives_up_in_time(world):
    made = world(Limits(close_timeout=3))
    conn = made.dial()
    made.sockets.block(DIALLED)
    conn.write(b"stuck")
    conn.close()
    made.turns()
    assert "on_close" not in made.handler.names()
    made.clock.advance(3)
    made.turns(2)
    assert isinstance(made.handler.wait_for("on_close").detail, TimeoutError)


def test_write_deadline(world):
    made = world(on_open=lambda conn: conn.set_write_deadline(2))
    conn = made.dial()
    made.turns()
    made.clock.advance(10)
    made.turns()
    made.sockets.block(DIALLED)
    conn.write(b"stuck")
    made.turns()
    made.clock.advance(2.1)
    made.turns(2)
    assert "on_timeout" in made.handler.names()


def test_a_reader_does_nothing_after_the_end(world):
    made = world()
    conn = made.dial()
    reader = _Reader(made.loop, made.loop, conn)
    conn.abort()
    made.turns()
    made.sockets.feed_datagram(DIALLED, b"late")
    reader.go_on()
    assert made.handler.names() == ["on_open", "on_close"]
