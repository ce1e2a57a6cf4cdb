"""What a connection says of itself: bytes that it has received and sent, and how long it has been there."""

from __future__ import annotations

import errno
import queue
import socket

import pytest

from netcore import Action, Client, EventHandler
from netcore.proxy import ProxyHeader, encode

PATIENCE = 30


def counts(of):
    return of.bytes_received, of.bytes_sent


def test_each_connection_has_its_own(world, half):
    w = world(on_traffic=lambda conn: conn.write(conn.read()) and None)
    one, other, idle = (w.connect() for _ in range(3))
    assert counts(one) == (0, 0)
    w.sockets.feed(one.fd, b"12345")
    w.sockets.feed(other.fd, b"123")
    w.loop.turn()
    w.feed(one, b"1")
    assert (counts(one), counts(other), counts(idle)) == ((6, 6), (3, 3), (0, 0))
    assert counts(w.loop.metrics()) == (9, 9)


def test_what_the_kernel_has_not_taken_is_not_sent(world, half):
    w = world()
    conn = w.connect()
    w.sockets.block(conn.fd, 10)
    conn.write(b"x" * 25)
    w.turns()
    assert (conn.bytes_sent, conn.outbound_buffered) == (10, 15)
    w.sockets.unblock(conn.fd)
    w.turns(2)
    assert (conn.bytes_sent, conn.outbound_buffered) == (25, 0)
    assert counts(conn) == counts(w.loop.metrics())


@pytest.mark.parametrize("way", ["alone", "neighbour"])
@pytest.mark.parametrize("code", [0, errno.EAGAIN, errno.ECONNRESET])
def test_a_receive_that_brings_nothing_is_never_counted(world, half, code, way):
    """Other threads look while a neighbour of the same batch is served: no count is taken back later."""
    seen = []
    w = world(on_traffic=lambda conn: seen.append(w.loop.metrics()))
    one, other = w.connect(), w.connect()
    if way == "neighbour":
        w.sockets.feed(one.fd, b"12345")
    if code:
        w.sockets.feed_error(other.fd, code)
    else:
        w.sockets.feed_eof(other.fd)
    w.loop.turn()
    seen.append(w.loop.metrics())
    assert {(m.messages, m.bytes_received) for m in seen} == {(1, 5) if way == "neighbour" else (0, 0)}
    assert len(seen) == (2 if way == "neighbour" else 1)


def test_a_file_counts_as_it_leaves(world, half, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(300_000))
    w = world()
    conn = w.connect()
    w.sockets.block(conn.fd, 100_000)
    with path.open("rb") as file:
        conn.write(b"head")
        conn.sendfile(file)
    w.turns(4)
    assert 0 < conn.bytes_sent <= 100_004
    assert conn.bytes_sent + conn.outbound_buffered == 300_004
    w.sockets.unblock(conn.fd)
    w.turns(8)
    assert conn.bytes_sent == 300_004
    assert counts(conn) == counts(w.loop.metrics())


def test_what_nobody_has_read_was_received(world, half):
    w = world(on_traffic=lambda conn: None)
    conn = w.connect()
    w.feed(conn, b"12345")
    assert (conn.bytes_received, conn.inbound_buffered) == (5, 5)


def test_the_age_goes_on_after_the_end(world, half):
    w = world()
    w.clock.advance(100)
    conn = w.connect()
    assert conn.age == 0.0
    w.clock.advance(2.5)
    assert conn.age == 2.5
    w.sockets.feed_eof(conn.fd)
    w.turns()
    assert conn.closed
    w.clock.advance(1)
    assert conn.age == 3.5


def test_a_clock_that_fails_does_not_end_the_loop(world, half):
    w = world()
    w.sockets.connect(w.LISTENER)
    clock, failures = w.loop.clock, []

    def fails():
        if not failures:
            failures.append(RuntimeError("on purpose"))
            raise failures[0]
        return clock()

    w.loop.clock = fails
    w.turns(2)
    assert failures
    assert w.connect().age == 0.0


class Ends(EventHandler):
    """Echoes, and notes what a connection counts at its end."""

    def __init__(self):
        self.ended = queue.SimpleQueue()

    def on_traffic(self, conn):
        conn.write(conn.read())

    def on_close(self, conn, error):
        self.ended.put((*counts(conn), conn.age))


def at_the_end(engine, handler):
    received, sent, age = handler.ended.get(timeout=PATIENCE)
    assert 0 <= age < PATIENCE
    assert (received, sent) == counts(engine.metrics())
    return received, sent


def test_on_real_sockets(serve, dial, receive):
    handler = Ends()
    engine = serve(handler)
    sock = dial(engine)
    sock.sendall(bytes(500_000))
    assert len(receive(sock, 500_000)) == 500_000
    sock.close()
    assert at_the_end(engine, handler) == (500_000, 500_000)


def test_a_proxy_header_counts(serve, dial, receive):
    handler = Ends()
    engine = serve(handler, proxy_protocol=True)
    header = encode(ProxyHeader(None, None, local=True))
    sock = dial(engine)
    sock.sendall(header)
    sock.sendall(b"ping")
    assert receive(sock, 4) == b"ping"
    sock.close()
    assert at_the_end(engine, handler) == (len(header) + 4, 4)


def test_enrolled(serve, receive):
    handler = Ends()
    engine = serve(handler)
    near, far = socket.socketpair()
    far.settimeout(PATIENCE)
    far.sendall(b"early")
    engine.enroll(near).result(PATIENCE)
    assert receive(far, 5) == b"early"
    far.close()
    assert at_the_end(engine, handler) == (5, 5)


class Answers(EventHandler):
    """Answers datagrams twice, and notes what each connection counts."""

    def __init__(self):
        self.noted = queue.SimpleQueue()

    def on_traffic(self, conn):
        size = len(conn.read())
        for data in (b"one", bytearray(b"other")):
            conn.write(data)
        self.noted.put((size, conn.bytes_received, conn.bytes_sent, conn.age))


class Asks(Ends):
    def on_traffic(self, conn):
        if conn.bytes_received == 16:
            return Action.CLOSE


def test_datagrams(serve):
    server, handler = Answers(), Asks()
    engine = serve(server, "udp://127.0.0.1:0")
    with Client(handler) as client:
        conn = client.dial(engine.addresses[0])
        for data in (b"1234", b""):
            conn.async_write(data)
        received, sent, age = handler.ended.get(timeout=PATIENCE)
        assert (received, sent) == (16, 4) and age > 0
    assert server.noted.get(timeout=PATIENCE) == (4, 4, 8, 0.0)
    assert server.noted.get(timeout=PATIENCE) == (0, 0, 8, 0.0)


def test_a_paused_datagram_connection_counts_once(serve):
    pauses = []

    class Pauses(Asks):
        def on_traffic(self, conn):
            if not pauses:
                pauses.append(conn)
                conn.pause_reading()
                conn.loop.schedule(0.01, conn.resume_reading)
            return super().on_traffic(conn)

    handler = Pauses()
    engine = serve(Answers(), "udp://127.0.0.1:0")
    with Client(handler) as client:
        conn = client.dial(engine.addresses[0])
        conn.async_write(b"1")
        conn.async_write(b"2")
        assert handler.ended.get(timeout=PATIENCE)[:2] == (16, 2)
