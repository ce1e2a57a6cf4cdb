"""``Options.max_inbound``: what a stream has received and nobody has read is bounded."""

from __future__ import annotations

import errno
import threading

import pytest

from netcore import CloseReason, EventHandler, Options, OptionsError
from netcore.codec import FrameHandler, LengthFieldCodec, LineCodec
from netcore.connection import Limits

LIMITS = Limits(max_inbound=1000)
EDGES = Limits(max_inbound=1000, edge_chunk=4096)


def ignore(conn):
    """Reads nothing."""


@pytest.mark.parametrize("limits", [LIMITS, EDGES])
def test_what_is_unread_may_reach_the_maximum_and_not_pass_it(world, limits):
    w = world(limits=limits, on_traffic=ignore)
    conn = w.connect()
    w.feed(conn, b"x" * 600)
    w.feed(conn, b"y" * 400)
    w.turns()
    assert not conn.closed
    assert conn.inbound_buffered == 1000
    w.feed(conn, b"z")
    assert conn.close_reason is CloseReason.OVERFLOW
    assert w.sockets.resets == [conn.fd]
    (error,) = w.handler.details("on_close")
    assert isinstance(error, OSError)
    assert error.errno == errno.ENOBUFS
    assert "1001 bytes are unread, 1000 may be" in str(error)
    assert w.handler.names(conn) == ["on_open", "on_traffic", "on_traffic", "on_close"]


def test_a_handler_that_reads_is_never_bounded(world):
    w = world(limits=LIMITS)
    conn = w.connect()
    for _ in range(5):
        w.feed(conn, b"x" * 5000)
    assert not conn.closed


def test_what_a_callback_leaves_of_one_large_read_counts(world):
    w = world(limits=LIMITS, on_traffic=lambda conn: conn.read(10))
    conn = w.connect()
    w.feed(conn, b"x" * 1010)
    assert not conn.closed
    w.feed(conn, b"x" * 11)
    assert conn.close_reason is CloseReason.OVERFLOW


def test_plain_bytes_count_where_there_is_a_filter(world, toys):
    class Expand(toys.ToyFilter):
        def feed(self, data):
            return bytes(data) * 200

    w = world(limits=LIMITS, on_traffic=ignore)
    conn = w.connect()
    conn.put_on(Expand())
    w.feed(conn, b"12345")
    assert not conn.closed
    w.feed(conn, b"6")
    assert conn.close_reason is CloseReason.OVERFLOW
    w = world(limits=LIMITS, on_open=lambda conn: conn.put_on(toys.ToyFilter()), on_traffic=ignore)
    conn = w.connect()
    w.feed(conn, toys.encode(b"x" * 1001))
    assert conn.close_reason is CloseReason.OVERFLOW


@pytest.mark.parametrize("codec", [LineCodec(1 << 30), LengthFieldCodec(1 << 30)])
def test_the_beginning_of_a_frame_counts(world, codec):
    class Frames(FrameHandler):
        def on_frame(self, conn, frame):
            frames.append(len(frame))

    frames = []
    w = world(Frames(codec), limits=Limits(max_inbound=200_000))
    first, second = w.connect(), w.connect()
    whole = codec.encode(b"x" * 150_000)
    endless = codec.encode(b"y" * 300_000)
    for at in range(0, len(endless), 50_000):
        for conn, data in ((first, whole * 3), (second, endless)):
            if conn.close_reason is None:
                w.feed(conn, data[at : at + 50_000])
    assert frames and min(frames) >= 150_000
    assert first.close_reason is None
    assert second.close_reason is CloseReason.OVERFLOW


def test_phases_leave_no_more_than_may_be_unread(world, toys):
    w = world(limits=LIMITS, phases=lambda name: [toys.ToyHeader()], on_traffic=ignore)
    fd = w.sockets.connect(w.LISTENER)
    w.sockets.feed(fd, b"HELLO you\n" + b"x" * 2000)
    w.turns(3)
    assert w.sockets.resets == [fd]
    assert w.handler.names()[-1] == "on_close"


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "1"])
def test_the_option(value):
    assert Options().max_inbound == 64 << 20
    with pytest.raises(OptionsError, match="max_inbound"):
        Options(max_inbound=value)


@pytest.mark.parametrize("options", [{}, {"edge_triggered": True}, {"num_event_loops": 2}])
def test_against_the_kernel(serve, dial, options):
    class Deaf(EventHandler):
        def on_close(self, conn, error):
            reasons.append((conn.close_reason, error))
            closed.set()

    reasons, closed = [], threading.Event()
    engine = serve(Deaf(), max_inbound=1 << 20, **options)
    sock = dial(engine)
    sent = 0
    try:
        while sent < 64 << 20:
            sent += sock.send(b"x" * 65536)
    except OSError:  # it was reset
        pass
    assert sent < 64 << 20
    assert closed.wait(30)
    ((reason, error),) = reasons
    assert reason is CloseReason.OVERFLOW
    assert "bytes are unread" in str(error)
