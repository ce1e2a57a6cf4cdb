"""The turn of a loop that serves datagrams, over fakes: no kernel, no thread, no clock."""

from __future__ import annotations

import errno
import logging
import socket

import pytest

from netcore import Address, CloseReason
from netcore.connection import Limits
from netcore.poll import Interest, Readiness
from netcore.sockets import pack_name

FD, DIALLED = 60, 61


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


@pytest.mark.parametrize("room", [0, 3, 10])
def test_what_waits_is_offered_once_more_when_the_listener_closes(world, caplog, room):
    made = world(on_traffic=echo)
    made.sockets.block(FD)
    made.feed(*[b"%d" % number for number in range(10)])
    assert made.sent() == []
    made.sockets.unblock(FD)
    made.sockets.script_sends(FD, *[1] * room, *[0] * 20)
    with caplog.at_level(logging.WARNING, "netcore"):
        made.loop.stop_listening(made.listener)
        made.turns()
    assert made.sent() == [b"%d" % number for number in range(room)]
    assert made.loop.metrics().datagrams_dropped == 10 - room
    assert ("datagrams are dropped" in caplog.text) is (room < 10)
    assert not made.loop.listening


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
    made.loop.watchers.tell([(FD, int(Readiness.READABLE))])
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


def test_an_answer_kept_from_a_callback_that_raised_says_so(world):
    kept = []

    def on_traffic(conn):
        kept.append(conn)
        raise LookupError("on purpose")

    made = world(on_traffic=on_traffic)
    made.feed(b"one")
    assert kept[0].closed
    assert kept[0].close_reason is CloseReason.ERROR
    made.feed(b"two")
    assert len(kept) == 2, "the server goes on"


def test_what_is_no_action_is_reported_once(world, caplog):
    made = world(on_traffic=lambda conn: True)
    made.feed(*[b"x"] * 5)
    made.dial()
    made.feed(b"x", b"y", fd=DIALLED)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("on_traffic of connection ")
    assert "returned True, which is no Action" in line
