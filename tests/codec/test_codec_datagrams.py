"""FrameHandler on datagrams: each is decoded by itself."""

from __future__ import annotations

import gc
import socket
import threading

import pytest

from netcore import Action, Address, Client, Conn
from netcore.codec import FixedLengthCodec, FrameHandler, LengthFieldCodec, LineCodec
from netcore.errors import FrameError

FD, DIALLED = 60, 61
LOCAL = Address("udp", "192.0.2.1", 9000)


class Frames(FrameHandler):
    """Remembers frames and errors, and does what a frame says."""

    def __init__(self, codec=None, on_error=Action.NONE) -> None:
        super().__init__(codec or LineCodec(8))
        self.frames: list[bytes] = []
        self.errors: list[Exception] = []
        self._on_error = on_error

    def on_frame(self, conn: Conn, frame: bytes) -> Action | None:
        self.frames.append(frame)
        if frame == b"raise":
            raise LookupError("a frame")
        if frame == b"pause":
            conn.pause_reading()
        if frame == b"close":
            return Action.CLOSE
        return None

    def on_frame_error(self, conn: Conn, error: FrameError) -> Action | None:
        self.errors.append(error)
        return Action.NONE

    def on_error(self, conn: Conn, error: Exception) -> Action | None:
        self.errors.append(error)
        return self._on_error


@pytest.fixture(params=["server", "dialled"])
def feeding(request, world):
    """Makes a function that lets datagrams arrive for a handler."""

    def make(handler):
        w = world(handler)
        if request.param == "server":
            w.loop.listen_for_datagrams(FD, socket.AF_INET, LOCAL)
            w.loop.start_accepting()
            fd = FD
        else:
            fd = DIALLED
            w.loop._hosted.establish_datagrams(
                fd, socket.AF_INET, Address("udp", "192.0.2.9", 53), LOCAL, None
            )

        def feed(*datagrams):
            for data in datagrams:
                w.sockets.feed_datagram(fd, data)
            w.turns(6)

        return feed

    return make


def test_each_datagram_begins_anew(feeding):
    handler = Frames()
    feeding(handler)(b"one\ntw", b"o\nthree\n", b"", b"no newline", b"\n")
    assert handler.frames == [b"one", b"o", b"three", b""]


def test_a_bad_frame_costs_only_itself(feeding):
    handler = Frames()
    feeding(handler)(b"one\nmuch too long\ntwo\n", b"three\n")
    assert handler.frames == [b"one", b"two", b"three"]
    assert len(handler.errors) == 1


@pytest.mark.parametrize("codec", [FixedLengthCodec(3), LengthFieldCodec(100, 0, 1, 0, 1)])
def test_other_codecs(feeding, codec):
    handler = Frames(codec)
    data = codec.encode(b"abc") + codec.encode(b"def")
    feeding(handler)(data, data[:-1], data)
    assert handler.frames == [b"abc", b"def", b"abc", b"abc", b"def"]


def test_after_an_exception_the_rest_comes_and_no_datagram_is_lost(feeding):
    handler = Frames()
    feeding(handler)(b"1\nraise\n2\n", b"3\nraise\n4\n", b"5\n")
    assert sorted(handler.frames) == [b"1", b"2", b"3", b"4", b"5", b"raise", b"raise"]
    assert len(handler.errors) == 2
    assert not handler._nc_torn


def test_after_an_exception_that_closes_nothing_comes(feeding):
    handler = Frames(on_error=Action.CLOSE)
    feeding(handler)(b"1\nraise\n2\n")
    handler.errors.clear()  # their tracebacks know the connection
    gc.collect()
    assert handler.frames == [b"1", b"raise"]
    assert not handler._nc_torn


def test_close_drops_what_is_left_of_the_datagram(feeding):
    handler = Frames()
    feeding(handler)(b"1\nclose\n2\n")
    assert handler.frames == [b"1", b"close"]


def test_a_pause_lets_the_datagram_come_to_its_end(world):
    handler = Frames()
    w = world(handler)
    remote = Address("udp", "192.0.2.9", 53)
    conn = w.loop._hosted.establish_datagrams(DIALLED, socket.AF_INET, remote, LOCAL, None)
    w.sockets.feed_datagram(DIALLED, b"pause\n1\n")
    w.sockets.feed_datagram(DIALLED, b"2\n")
    w.turns(2)
    assert handler.frames == [b"pause", b"1"]
    conn.resume_reading()
    w.turns(2)
    assert handler.frames == [b"pause", b"1", b"2"]


@pytest.mark.parametrize("options", [{}, {"edge_triggered": True}, {"debug": True}])
def test_both_ways_through_the_kernel(serve, options):
    class Echo(FrameHandler):
        def on_frame(self, conn, frame):
            self.send_frame(conn, frame.upper())

    class Ask(Frames):
        def on_frame(self, conn, frame):
            super().on_frame(conn, frame)
            if len(self.frames) == 3:
                done.set()

    done = threading.Event()
    engine = serve(Echo(LineCodec(100)), "udp://127.0.0.1:0", **options)
    handler = Ask()
    with Client(handler, **options) as client:
        conn = client.dial(f"udp://127.0.0.1:{engine.addresses[0].port}")
        conn.async_write(b"a\nb\nc\nd")
        assert done.wait(30)
    assert handler.frames == [b"A", b"B", b"C"]
