"""Dialled datagram connections in the turn of a loop, over fakes: no kernel, no thread, no clock."""

from __future__ import annotations

import errno

from netcore import CloseReason
from netcore.connection import Limits
from netcore.eventloop.datagram_reader import DatagramReader, taking
from netcore.sockets import CONNECTED

FD, DIALLED = 60, 61


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


def test_a_dialled_connection_reads_when_no_reason_is_left(world):
    seen = []
    made = world(on_traffic=lambda conn: seen.append(conn.read()))
    conn = made.dial()
    conn.pause_reading()
    conn.pause_reading("full")
    made.sockets.feed_datagram(DIALLED, b"1")
    conn.resume_reading()
    made.turns(2)
    assert (seen, conn.paused) == ([], True)
    conn.resume_reading("full")
    made.turns(3)
    assert (seen, conn.paused) == ([b"1"], False)


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
    assert made.handler.names() == ["on_open", "on_timeout", "on_close"], "it waits for what is stuck"
    assert isinstance(made.handler.details("on_close")[0], TimeoutError)
    assert conn.close_reason is CloseReason.TIMEOUT
    assert made.sockets.datagrams[DIALLED] == []


def test_on_close_hears_of_the_exception_that_ended_the_connection(world):
    def on_traffic(conn):
        conn.write(b"sorry")
        raise LookupError("on purpose")

    made = world(on_traffic=on_traffic)
    conn = made.dial()
    made.feed(b"first", b"second", fd=DIALLED)
    made.turns(2)
    assert made.handler.names() == ["on_open", "on_traffic", "on_error", "on_close"]
    assert made.handler.details("on_close") == made.handler.details("on_error")
    assert conn.close_reason is CloseReason.ERROR
    assert made.sent(DIALLED) == [b"sorry"]


def test_a_reader_does_nothing_after_the_end(world):
    made = world()
    conn = made.dial()
    reader = DatagramReader(made.loop, conn, taking(made.loop, conn))
    conn.abort()
    made.turns()
    made.sockets.feed_datagram(DIALLED, b"late")
    reader.go_on()
    assert made.handler.names() == ["on_open", "on_close"]
