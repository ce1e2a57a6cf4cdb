"""A peer that never reads costs bounded memory, whichever way the bytes are written."""

from __future__ import annotations

import io
import socket
import threading
from contextlib import suppress

import pytest

from netcore import CloseReason, ConnectionClosedError, Engine, EventHandler

PIECE = 65536
LIMIT = 2 << 20
TOTAL = 64 << 20
"""What is offered to a peer that takes nothing: far more than may stay in memory."""


@pytest.fixture
def peak(tracemalloc):
    """The most memory that Python objects have taken since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def pieces():
    """A new object each time, so that each costs its memory."""
    return (bytes([i % 251]) * PIECE for i in range(TOTAL // PIECE))


def by_write(conn):
    for piece in pieces():
        conn.write(piece)


def by_writev(conn):
    conn.writev(pieces())


def by_mutable(conn):
    for piece in pieces():
        conn.write(bytearray(piece))


def by_read_from(conn):
    class Endless(io.RawIOBase):
        left = TOTAL

        def readable(self):
            return True

        def read(self, n=-1):
            self.left -= PIECE
            return bytes(PIECE) if self.left >= 0 else b""

    conn.read_from(Endless())


def by_sendfile(conn):
    class Endless(io.BytesIO):
        def read(self, n=-1):
            return bytes(PIECE)

    conn.sendfile(Endless(), count=TOTAL)  # no regular file: it must be read, and kept


@pytest.mark.parametrize("way", [by_write, by_writev, by_mutable, by_read_from, by_sendfile])
def test_who_disregards_the_water_marks_is_cut_off_at_the_maximum(serve, dial, peak, way):
    ended = threading.Event()
    told = []

    class Careless(EventHandler):
        def on_open(self, conn):
            self.conn = conn
            try:
                way(conn)
            except ConnectionClosedError:
                told.append("closed")

        def on_close(self, conn, error):
            told.append(error)
            ended.set()

    engine = serve(Careless(), max_outbound=LIMIT, high_water=LIMIT // 4, low_water=LIMIT // 8)
    with suppress(ConnectionResetError):  # so soon may the reset come
        dial(engine)
    assert ended.wait(30)
    assert told[0] == "closed", "the writer learns of it"
    assert engine._handler.conn.close_reason is CloseReason.OVERFLOW
    assert peak() < 3 * LIMIT


def test_async_write_is_cut_off_too(serve, dial, peak):
    opened, errors = [], []

    class Server(EventHandler):
        def on_open(self, conn):
            opened.append(conn)

    engine = serve(Server(), max_outbound=LIMIT)
    dial(engine)
    while not opened:
        pass
    (conn,) = opened
    for piece in pieces():
        written = threading.Event()
        conn.async_write(piece, lambda conn, error, written=written: (errors.append(error), written.set()))
        assert written.wait(30)
        if errors[-1] is not None:
            break
    assert isinstance(errors[-1], ConnectionClosedError)
    assert conn.close_reason is CloseReason.OVERFLOW
    assert peak() < 3 * LIMIT


def test_who_heeds_them_stays_below_and_is_not_cut_off(serve, dial, receive, peak):
    class Careful(EventHandler):
        def on_open(self, conn):
            self.pieces = pieces()
            self.on_writable(conn)

        def on_writable(self, conn):
            while conn.writable:
                piece = next(self.pieces, None)
                if piece is None:
                    conn.close()
                    return
                conn.write(piece)

    engine = serve(Careful(), max_outbound=LIMIT, high_water=LIMIT // 4, low_water=LIMIT // 8)
    sock = dial(engine)
    for piece in pieces():
        assert receive(sock, PIECE) == piece
    assert sock.recv(1) == b""
    assert peak() < 3 * LIMIT


def test_a_proxy_passes_the_pressure_on(serve, dial, peak):
    """What the slow side does not take stays with the fast one, which is not read from meanwhile."""

    class Sink(EventHandler):
        def on_open(self, conn):
            conn.pause_reading()

    class Proxy(EventHandler):
        def __init__(self, upstream):
            self.upstream = upstream
            self.highest = 0

        def on_open(self, conn):
            if conn.context is not None:
                return
            conn.pause_reading()
            conn.loop.dial(self.upstream, context=conn).add_done_callback(
                lambda future: self.join(conn, future.result())
            )

        def join(self, conn, other):
            conn.context = other
            conn.resume_reading()

        def on_traffic(self, conn):
            conn.context.write(conn.read())
            self.highest = max(self.highest, conn.context.outbound_buffered)
            if not conn.context.writable:
                conn.pause_reading()

        def on_writable(self, conn):
            conn.context.resume_reading()

        def on_eof(self, conn):
            conn.context.close()
            conn.close()

    with Engine(Sink(), "tcp://127.0.0.1:0") as sink:
        proxy = Proxy(sink.addresses[0])
        engine = serve(proxy, high_water=LIMIT // 4, low_water=LIMIT // 8)
        sock = dial(engine)
        sock.settimeout(0.3)
        taken = 0
        with pytest.raises(TimeoutError):  # in the end the sender cannot send any more
            while taken < TOTAL:
                taken += sock.send(bytes(PIECE))
        assert proxy.highest <= LIMIT // 4 + 2 * 65536
        assert peak() < 3 * LIMIT
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_many_slow_readers_cost_their_share(serve, dial, peak):
    """Sixteen of them, and one that reads: it is served as if they were not there."""
    opened = []

    class Server(EventHandler):
        def on_open(self, conn):
            opened.append(conn)

        def on_traffic(self, conn):
            conn.read()
            while conn.writable and conn.outbound_buffered < 1 << 20:
                conn.write(bytes(PIECE))

    engine = serve(Server(), high_water=LIMIT // 8, low_water=LIMIT // 16)
    slow = [dial(engine) for _ in range(16)]
    for sock in slow:
        sock.sendall(b"more")
    fast = dial(engine)
    for _ in range(20):
        fast.sendall(b"more")
        assert len(fast.recv(1)) == 1
    assert peak() < 16 * (LIMIT // 8 + 2 * PIECE) + (4 << 20)
