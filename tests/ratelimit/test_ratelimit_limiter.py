"""Connections that are slowed down, over a loop without a kernel and a clock that stands still."""

from __future__ import annotations

import gc
import socket
import weakref

import pytest

from netcore import Action, EventHandler, UnsupportedOperationError
from netcore.codec import FrameHandler, LineCodec
from netcore.ratelimit import RateLimiter, TokenBucket
from netcore.testing import RecordingHandler


def let_pass(w, seconds):
    w.clock.advance(seconds)
    w.turns(2)


class Reader:
    """An ``on_traffic`` that charges for the bytes it reads, and notes when they came."""

    def __init__(self, limiter, clock):
        self.limiter = limiter
        self.clock = clock
        self.begin = clock.now
        self.seen = []

    def __call__(self, conn):
        data = conn.read()
        self.seen.append((round(self.clock.now - self.begin, 3), conn.id, len(data)))
        self.limiter.charge(conn, len(data))


@pytest.fixture
def slow(world):
    """Makes a world whose handler charges for bytes; the limiter's clock is the loop's."""

    def make(*args, **kwargs):
        w = world(on_traffic=lambda conn: reader(conn))
        reader = Reader(RateLimiter(*args, clock=w.clock, **kwargs), w.clock)
        return w, reader

    return make


def test_a_connection_is_read_again_when_it_has_paid(slow):
    w, reader = slow(100, 100)
    conn = w.connect()
    w.feed(conn, bytes(50))
    assert not conn.paused
    w.feed(conn, bytes(250))
    assert conn.paused
    w.sockets.feed(conn.fd, bytes(10))
    let_pass(w, 2.0)
    assert conn.paused and len(reader.seen) == 2
    let_pass(w, 0.02)
    assert reader.seen == [(0, conn.id, 50), (0, conn.id, 250), (2.02, conn.id, 10)]


def test_each_connection_has_its_own_limit_unless_it_is_shared(slow):
    w, _ = slow(100, 100)
    one, other = w.connect(), w.connect()
    w.feed(one, bytes(150))
    w.feed(other, bytes(50))
    assert (one.paused, other.paused) == (True, False)


def test_a_shared_limit_lets_them_go_on_in_order(slow):
    w, reader = slow(100, 1, shared=True)
    conns = [w.connect() for _ in range(3)]
    for conn in conns:
        w.feed(conn, bytes(100))
    assert [conn.paused for conn in conns] == [True] * 3
    for conn in conns:
        w.sockets.feed(conn.fd, b"x")
    for number in range(1, 4):
        let_pass(w, 1.001)
        assert [conn for _, conn, _ in reader.seen[3:]] == [conn.id for conn in conns[:number]]
    let_pass(w, 1.0)
    assert not any(conn.paused for conn in conns)


def test_what_is_charged_in_a_pause_makes_it_longer(slow):
    w, reader = slow(100, 1)
    conn = w.connect()
    w.feed(conn, bytes(100))
    assert reader.limiter.charge(conn, 100) == pytest.approx(2.0)
    let_pass(w, 1.5)
    assert conn.paused
    let_pass(w, 0.51)
    assert not conn.paused


def test_several_limiters_and_the_application(world):
    w = world()
    conn = w.connect()
    nbytes, messages = (RateLimiter(10, 1, clock=w.clock) for _ in range(2))
    nbytes.charge(conn, 10)
    messages.charge(conn, 20)
    conn.pause_reading()
    conn.resume_reading()
    assert conn.paused
    let_pass(w, 1.01)
    assert conn.paused
    conn.pause_reading()
    let_pass(w, 1.01)
    assert conn.paused, "the application's"
    conn.resume_reading()
    assert not conn.paused


def test_frames_stop_where_the_rate_is_reached(world):
    class Lines(FrameHandler):
        def __init__(self, limiter):
            super().__init__(LineCodec(100))
            self.limiter = limiter
            self.frames = []

        def on_frame(self, conn, frame):
            self.frames.append(frame)
            self.limiter.charge(conn)

    made = []
    w = world(on_traffic=lambda conn: made[0].on_traffic(conn), on_eof=lambda conn: made[0].on_eof(conn))
    made.append(lines := Lines(RateLimiter(10, 3, clock=w.clock)))
    conn = w.connect()
    w.feed(conn, b"".join(b"%d\n" % n for n in range(6)))
    assert lines.frames == [b"0", b"1", b"2"]
    for more in range(3, 6):
        let_pass(w, 0.1001)
        assert lines.frames == [b"%d" % n for n in range(more + 1)]


def test_short_delays_add_up_and_are_not_slept_one_by_one(slow):
    w, reader = slow(1_000_000, 1)
    conn = w.connect()
    assert reader.limiter.charge(conn, 500) == 0.0
    assert not conn.paused
    assert reader.limiter.charge(conn, 600) == pytest.approx(0.0011)
    assert conn.paused


def test_a_limit_keeps_nobody_alive(world):
    opened = []

    class Slow(EventHandler):
        def on_open(self, conn):
            opened.append(weakref.ref(conn))

        def on_traffic(self, conn):
            limiter.charge(conn, len(conn.read()))

    w = world(Slow())
    limiter = RateLimiter(1, 1, clock=w.clock)
    fd = w.connect().fd
    w.sockets.feed(fd, bytes(1000))
    w.turns()
    assert opened[0]().paused
    opened[0]().abort()
    w.turns(2)
    gc.collect()
    assert opened[0]() is None, "its timer does not keep it"
    assert not limiter._accounts
    let_pass(w, 2000)


def test_one_that_closes_is_not_paused(world):
    limiter, charged = RateLimiter(1, 1), []

    def on_traffic(conn):
        conn.close()
        charged.append(limiter.charge(conn, 1000))

    w = world(on_traffic=on_traffic)
    conn = w.connect()
    w.feed(conn, b"x")
    assert charged == [0.0] and not conn.paused
    assert w.handler.names(conn) == ["on_open", "on_traffic", "on_close"]


def test_datagrams_are_refused_from_the_first_on(serve):
    limiter, refused = RateLimiter(1000), []

    def on_traffic(conn):
        with pytest.raises(UnsupportedOperationError):
            limiter.charge(conn)
        refused.append(conn.read())
        conn.write(b"no")

    engine = serve(RecordingHandler(on_traffic=on_traffic), "udp://127.0.0.1:0")
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(30)
        sock.sendto(b"hello", (engine.addresses[0].host, engine.addresses[0].port))
        assert sock.recv(10) == b"no"
    assert refused == [b"hello"]


def test_connections_can_be_refused_by_a_bucket(serve, dial):
    bucket = TokenBucket(0.001, 2)
    handler = RecordingHandler(on_open=lambda conn: None if bucket.take() else Action.CLOSE)
    engine = serve(handler)
    socks = [dial(engine) for _ in range(3)]
    assert socks[2].recv(1) == b""
    assert engine.connection_count == 2


@pytest.mark.parametrize("options", [{}, {"edge_triggered": True}, {"num_event_loops": 2}], ids=str)
def test_a_limit_on_sockets_loses_nothing(serve, dial, receive, options):
    limiter = RateLimiter(1_000_000, 10_000, shared=True)

    def on_traffic(conn):
        data = conn.read()
        limiter.charge(conn, len(data))
        conn.write(data)

    engine = serve(RecordingHandler(on_traffic=on_traffic), **options)
    socks = [dial(engine) for _ in range(3)]
    for sock in socks:
        sock.sendall(b"x" * 100_000)
    assert [len(receive(sock, 100_000)) for sock in socks] == [100_000] * 3
