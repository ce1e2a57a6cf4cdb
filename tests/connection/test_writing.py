"""The writing methods of a connection, over fake sockets."""

from __future__ import annotations

import array
import contextlib
import errno
import io

import pytest

from netcore import Action, Address, CloseReason, ConnectionClosedError, UnsupportedOperationError
from netcore.connection import Limits


def test_writes_of_a_turn_leave_together_in_order(world):
    def on_traffic(conn):
        conn.write(b"a")
        conn.writev([b"b", bytearray(b"c"), memoryview(b"d")])
        conn.write(b"")
        conn.read_from(io.BytesIO(b"e" * 200_000))
        assert conn.outbound_buffered == 200_004
        conn.write(b"f")

    w = world(on_traffic=on_traffic)
    conn = w.connect()
    w.feed(conn, b"go")
    assert w.sent(conn) == b"abcd" + b"e" * 200_000 + b"f"


def test_write_counts_bytes_and_copies_what_can_change(world):
    def on_traffic(conn):
        mutable = bytearray(b"abc")
        counts.append(conn.write(mutable))
        mutable[:] = b"xyz"
        counts.append(conn.write(array.array("H", [0x4141, 0x4242])))
        counts.append(conn.writev([b"1", b"22"]))

    counts = []
    w = world(on_traffic=on_traffic)
    conn = w.connect()
    w.feed(conn, b"go")
    assert counts == [3, 4, 3]
    assert w.sent(conn) == b"abcAABB122"


def test_write_refuses_what_is_no_buffer(world):
    w = world()
    with pytest.raises(TypeError):
        w.connect().write("text")


def test_a_view_written_straight_back_arrives_whole(world):
    w = world(on_traffic=lambda conn: conn.write(conn.next()))
    conns = [w.connect() for _ in range(9)]
    for i, conn in enumerate(conns):
        w.sockets.block(conn.fd, after=1000 * i)
        w.sockets.feed(conn.fd, bytes([i]) * 60_000)
    w.loop.turn()
    for conn in conns:
        w.sockets.unblock(conn.fd)
    w.turns(3)
    assert [w.sent(conn) for conn in conns] == [bytes([i]) * 60_000 for i in range(9)]


@pytest.mark.parametrize("script", [(0,), (1,), (3, 0, 2), (1, 1, 1, 1), (0, 0, 5)])
def test_partial_writes_lose_and_reorder_nothing(world, script):
    stream = bytes(range(256)) * 40

    def on_traffic(conn):
        for at in range(0, len(stream), 1000):
            conn.write(stream[at : at + 1000])
        conn.read()

    w = world(on_traffic=on_traffic)
    conn = w.connect()
    w.sockets.script_sends(conn.fd, *script)
    w.feed(conn, b"go")
    conn.write(b"after")
    w.turns(10)
    assert w.sent(conn) == stream + b"after"
    assert conn.outbound_buffered == 0
    assert w.poller.interests[conn.fd] == 1, "still watched for writing"


def test_writes_wait_behind_a_backlog(world):
    w = world()
    conn = w.connect()
    w.sockets.block(conn.fd)
    conn.write(b"first ")
    w.turns()
    assert conn.outbound_buffered == 6
    conn.write(bytearray(b"second "))
    conn.writev([b"third", b" "])
    assert conn.outbound_buffered == 19
    w.turns(3)
    assert w.sent(conn) == b""
    w.sockets.unblock(conn.fd)
    conn.write(b"fourth")
    w.turns(2)
    assert w.sent(conn) == b"first second third fourth"


def test_a_blocked_connection_does_not_hold_its_neighbours(world):
    w = world(on_traffic=lambda conn: conn.write(conn.read()))
    slow, quick = w.connect(), w.connect()
    w.sockets.block(slow.fd, after=2)
    for data in (b"abc", b"def"):
        w.sockets.feed(slow.fd, data)
        w.sockets.feed(quick.fd, data)
        w.loop.turn()
    assert w.sent(quick) == b"abcdef"
    assert w.sent(slow) == b"ab"


def test_flush_sends_before_the_turn_ends(world):
    def on_traffic(conn):
        conn.write(b"now")
        assert conn.outbound_buffered == 3
        conn.flush()
        assert conn.outbound_buffered == 0
        seen.append(bytes(w.sockets.sent[conn.fd]))

    seen = []
    w = world(on_traffic=on_traffic)
    w.feed(w.connect(), b"go")
    assert seen == [b"now"]


def test_a_large_turn_is_sent_early(world):
    def on_traffic(conn):
        for _ in range(10):
            conn.write(b"x" * 65536)
        sends.append(w.sockets.sends[conn.fd])

    sends = []
    w = world(on_traffic=on_traffic)
    conn = w.connect()
    w.feed(conn, b"go")
    assert sends[0] >= 2
    assert len(w.sent(conn)) == 655_360


def test_water_marks(world):
    w = world(limits=Limits(high_water=1000, low_water=100))
    conn = w.connect()
    w.sockets.block(conn.fd)
    conn.write(b"x" * 999)
    w.turns()
    assert conn.writable
    conn.write(b"x")
    assert not conn.writable
    w.sockets.block(conn.fd, after=800)
    w.sockets._poller.set_ready(conn.fd, 2)
    w.turns(2)
    assert conn.outbound_buffered == 200
    assert not conn.writable
    assert "on_writable" not in w.handler.names()
    w.sockets.unblock(conn.fd)
    w.turns(3)
    assert conn.writable
    assert w.handler.names().count("on_writable") == 1


def test_on_writable_may_write_again(world):
    def on_writable(conn):
        left.pop()
        conn.write(b"y" * 500)

    left = [1, 2, 3]
    w = world(limits=Limits(high_water=400, low_water=0), on_writable=on_writable)
    conn = w.connect()
    w.sockets.block(conn.fd)
    conn.write(b"y" * 500)
    for _ in range(3):
        w.turns()
        w.sockets.unblock(conn.fd)
        w.sockets.block(conn.fd, after=500)
        w.sockets._poller.set_ready(conn.fd, 2)
        w.turns(2)
    assert left == []
    assert len(w.sent(conn)) == 1500
    assert conn.outbound_buffered == 500


def test_more_than_max_outbound_resets_the_connection(world):
    w = world(limits=Limits(high_water=100, low_water=10, max_outbound=1000))
    conn = w.connect()
    w.sockets.block(conn.fd)
    with pytest.raises(ConnectionClosedError):
        for _ in range(100):
            conn.write(b"x" * 100)
    w.turns()
    assert conn.close_reason is CloseReason.OVERFLOW
    assert w.sockets.resets == [conn.fd]
    (error,) = w.handler.details("on_close")
    assert isinstance(error, OSError)
    assert error.errno == errno.ENOBUFS


def test_every_way_of_writing_counts_against_the_maximum(world):
    ways = [
        lambda conn: conn.write(b"x" * 100),
        lambda conn: conn.write(bytearray(100)),
        lambda conn: conn.writev([b"x" * 50] * 2),
        lambda conn: conn.read_from(io.BytesIO(b"x" * 100)),
        lambda conn: conn.async_write(b"x" * 100),
        lambda conn: conn.async_writev([b"x" * 100]),
    ]
    for way in ways:
        w = world(limits=Limits(high_water=100, low_water=10, max_outbound=1000))
        conn = w.connect()
        w.sockets.block(conn.fd)
        for _ in range(15):
            if not conn.closed:
                with contextlib.suppress(ConnectionClosedError):  # of what follows the overflow in one call
                    way(conn)
            w.turns()
        assert conn.close_reason is CloseReason.OVERFLOW
        assert w.handler.names().count("on_close") == 1


def test_what_a_stream_cannot_do_says_so(world):
    conn = world().connect()
    with pytest.raises(UnsupportedOperationError, match="datagram"):
        conn.send_to(b"x", Address.parse("udp://127.0.0.1:1"))


def test_async_writes_keep_their_order_and_call_back_once(world):
    calls = []
    w = world()
    conn = w.connect()
    data = bytearray(b"one ")
    conn.async_write(data, lambda c, error: calls.append(("one", c, error)))
    data[:] = b"xxxx"
    conn.async_writev([b"two ", bytearray(b"three ")], lambda c, error: calls.append(("two", c, error)))
    conn.async_write(b"four")
    w.turns()
    assert w.sent(conn) == b"one two three four"
    assert calls == [("one", conn, None), ("two", conn, None)]


def test_async_calls_on_a_closed_connection_report_it(world):
    calls = []
    w = world()
    conn = w.connect()
    conn.close()
    w.turns()
    conn.async_write(b"x", lambda c, error: calls.append(error))
    conn.async_writev([b"x"], lambda c, error: calls.append(error))
    conn.wake(lambda c, error: calls.append(error))
    conn.close(lambda c, error: calls.append(error))
    w.turns(2)
    assert [type(error) for error in calls] == [ConnectionClosedError] * 3 + [type(None)]


def test_a_callback_that_fails_reaches_on_error(world):
    def fail(conn, error):
        raise LookupError("in the callback")

    w = world()
    conn = w.connect()
    conn.async_write(b"x", fail)
    w.turns()
    (error,) = w.handler.details("on_error")
    assert isinstance(error, LookupError)
    assert w.sent(conn) == b"x"
    assert conn.closed


def test_wake_runs_on_traffic_and_then_the_callback(world):
    order = []
    w = world(on_traffic=lambda conn: order.append("traffic"))
    conn = w.connect()
    conn.wake(lambda c, error: order.append(error))
    w.turns()
    assert order == ["traffic", None]


def test_the_action_of_a_wake_counts(world):
    w = world(on_traffic=lambda conn: Action.CLOSE)
    conn = w.connect()
    conn.wake()
    w.turns()
    assert conn.closed


def test_writing_while_writable_ends_on_a_broken_connection(world):
    def on_traffic(conn):
        conn.read()
        while conn.writable:
            assert len(written) < 1000, "it would never end"
            written.append(conn.write(b"more"))

    written = []
    w = world(on_traffic=on_traffic)
    conn = w.connect()
    w.sockets.script_sends(conn.fd, -errno.EPIPE)
    conn.write(b"fails")
    conn.flush()
    w.sockets.feed(conn.fd, b"sent before the reset")
    w.turns(3)
    assert written == []
    assert conn.closed
    assert not conn.writable


def test_a_write_above_the_mark_that_the_kernel_takes_whole_is_told_writable(world):
    w = world(limits=Limits(high_water=1000, low_water=100))
    conn = w.connect()
    conn.write(b"x" * 1000)
    assert not conn.writable
    w.turns(2)
    assert w.handler.names(conn).count("on_writable") == 1
    conn.write(b"x" * 999)
    w.turns(2)
    assert w.handler.names(conn).count("on_writable") == 1


def test_a_write_above_the_mark_that_the_kernel_takes_in_part_waits_for_the_low_mark(world):
    w = world(limits=Limits(high_water=1000, low_water=100))
    conn = w.connect()
    w.sockets.block(conn.fd, after=500)
    conn.write(b"x" * 1000)
    assert not conn.writable
    w.turns(2)
    assert "on_writable" not in w.handler.names(conn)
    w.sockets.unblock(conn.fd)
    w.turns(2)
    assert conn.writable
    assert w.handler.names(conn).count("on_writable") == 1


def test_a_connection_closed_behind_a_large_write_is_not_told_writable(world):
    w = world(limits=Limits(high_water=1000, low_water=100))
    conn = w.connect()
    conn.write(b"x" * 1000)
    conn.close()
    w.turns(3)
    assert "on_writable" not in w.handler.names(conn)
