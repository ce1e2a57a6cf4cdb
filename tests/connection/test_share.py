"""What one connection may write in a turn: ``high_water`` bytes, whoever takes them."""

from __future__ import annotations

import itertools
import socket

import pytest

from netcore import Address, EventHandler
from netcore.connection import Limits

SHARE = Limits(high_water=1000, low_water=100)


def piece(conn):
    conn.write(b"x" * 100)


def flushed(conn):
    conn.write(b"x" * 100)
    conn.flush()


def asked(conn):
    conn.write(b"x" * 100)
    assert conn.outbound_buffered <= 1000


def mutable(conn):
    conn.write(bytearray(100))


def pieces(conn):
    conn.writev([b"x" * 50, b"y" * 50])


@pytest.mark.parametrize("write", [piece, flushed, asked, mutable, pieces])
@pytest.mark.parametrize("limits", [SHARE, Limits(high_water=1000, low_water=100, edge_chunk=4096)])
def test_writing_while_writable_ends_at_the_mark_and_goes_on_in_the_next_turn(world, write, limits):
    def fill(conn):
        count = 0
        while conn.writable:
            assert count < 100, "the kernel takes all, and it never ends"
            write(conn)
            count += 1
        counts.append((w.loop.counters.turns, count))

    counts = []
    w = world(limits=limits, on_traffic=lambda conn: (conn.read(), fill(conn))[1], on_writable=fill)
    conn = w.connect()
    w.feed(conn, b"go")
    assert [count for _, count in counts] == [10]
    assert "on_writable" not in w.handler.names(conn)
    w.loop.turn()
    w.loop.turn()
    assert [count for _, count in counts] == [10, 10, 10]
    turns = [turn for turn, _ in counts]
    assert turns == list(range(turns[0], turns[0] + 3)), "on_writable comes in the very next turn"
    assert len(w.sent(conn)) == 3000


def test_the_mark_is_exact_whatever_the_size_of_the_outbox(world):
    def fill(conn):
        while conn.writable:
            written.append(conn.write(bytes(100_000)))

    written = []
    w = world(limits=Limits(high_water=400_000, low_water=0), on_traffic=fill)
    w.feed(w.connect(), b"go")
    assert sum(written) == 400_000


def test_neighbours_have_accounts_of_their_own(world):
    def on_traffic(conn):
        conn.read()
        for number in itertools.count():
            open_ones = [other for other in others if other.writable]
            if not open_ones:
                return
            other = open_ones[number % len(open_ones)]
            written[other] = written.get(other, 0) + other.write(b"x" * 90)

    written = {}
    w = world(limits=Limits(high_water=1000, low_water=100), on_traffic=on_traffic)
    others = [w.connect() for _ in range(3)]
    w.feed(others[0], b"go")
    assert list(written.values()) == [1080] * 3


@pytest.mark.parametrize(
    ("sizes", "limit"),
    [([3000, 9000], 10_000), ([3000, 3000, -100, 6000], 9900), ([3000, -100, 3000, -100, 6000], 9800)],
    ids=["one run", "two runs", "in turns"],
)
def test_pieces_that_leave_together_count_as_one(world, sizes, limit):
    """What is left of a share after some of them is nothing to go by: later writes would leave too early."""

    def on_traffic(conn):
        conn.read()
        for size in sizes:
            (conn if size > 0 else other).write(bytes(abs(size)))
        seen.append((conn.outbound_buffered, conn.writable, other.writable, w.loop.outbox.limit))
        conn.write(bytes(7500))
        seen.append(conn.outbound_buffered)
        conn.write(bytes(2500))
        seen.append(conn.outbound_buffered)

    seen = []
    w = world(limits=Limits(high_water=10_000, low_water=100), on_traffic=on_traffic)
    conn, other = w.connect(), w.connect()
    w.feed(conn, b"go")
    assert seen == [(0, False, True, limit), 7500, 0]


def test_a_connection_below_the_mark_is_told_nothing(world):
    w = world(limits=SHARE, on_traffic=lambda conn: conn.write(b"x" * 999) and None)
    conn = w.connect()
    for _ in range(5):
        w.feed(conn, b"go")
        assert conn.writable
    w.turns(3)
    assert "on_writable" not in w.handler.names(conn)


def test_who_writes_on_all_the_same_is_not_stopped(world):
    w = world(limits=SHARE, on_traffic=lambda conn: [conn.write(b"x" * 700) for _ in range(5)] and None)
    conn = w.connect()
    w.feed(conn, b"go")
    assert not conn.writable
    w.turns(2)
    assert len(w.sent(conn)) == 3500
    assert w.handler.names(conn).count("on_writable") == 1


@pytest.mark.parametrize("size", [10_000, 20_000], ids=["read at once", "sent from the file"])
def test_files_count(world, tmp_path, size):
    def fill(conn):
        conn.read()
        while conn.writable:
            assert len(sizes) < 100
            sizes.append(conn.sendfile(file, 0, size))
            conn.flush()

    w = world(limits=Limits(high_water=100_000, low_water=0, write_cap=1 << 20), on_traffic=fill)
    path = tmp_path / "file"
    path.write_bytes(bytes(50_000))
    sizes = []
    with path.open("rb") as file:
        conn = w.connect()
        w.feed(conn, b"go")
    assert sum(sizes) == 100_000
    w.turns(5)
    assert len(w.sent(conn)) == 100_000


def test_a_filter_counts(world, toys):
    class Squeeze(toys.ToyFilter):
        def wrap(self, chunks):
            self._out += b"z" * len(chunks)

    def fill(conn):
        while conn.writable:
            assert len(written) < 100
            written.append(conn.write(b"x" * 100))
            conn.flush()

    for kind in (toys.ToyFilter, Squeeze):
        written = []
        w = world(limits=SHARE, on_open=lambda conn, kind=kind: conn.put_on(kind()))
        w.handler._callbacks["on_traffic"] = fill
        w.feed(w.connect(), toys.encode(b"go"))
        assert 900 <= sum(written) <= 1000


@pytest.mark.parametrize("data", [b"x" * 100, b""], ids=["full", "empty"])
@pytest.mark.parametrize("flushes", [False, True])
@pytest.mark.parametrize("dialled", [False, True])
def test_datagrams_alike(world, data, flushes, dialled):
    def fill(conn):
        count = 0
        while conn.writable:
            assert count < 100_000, "the kernel takes all, and it never ends"
            conn.write(data)
            count += 1
            if flushes:
                conn.flush()
        counts.append(count)

    counts = []
    w = world(limits=SHARE, on_traffic=fill, on_writable=fill)
    local = Address("udp", "192.0.2.1", 9000)
    if dialled:
        fd = 61
        w.loop._hosted.establish_datagrams(fd, socket.AF_INET, Address("udp", "192.0.2.9", 53), local, None)
    else:
        fd = 60
        w.loop.listen_for_datagrams(fd, socket.AF_INET, local)
        w.loop.start_accepting()
    w.sockets.feed_datagram(fd, b"go")
    w.loop.turn()
    once = counts[0]
    assert counts == [once]
    assert once == (10 if data else once <= 10_000 and once)
    if dialled:
        w.loop.turn()
        assert counts == [once, once]
    else:
        w.sockets.feed_datagram(fd, b"go")
        w.loop.turn()
        assert counts == [once, once]


@pytest.mark.parametrize("options", [{}, {"edge_triggered": True}])
def test_a_fast_reader_does_not_starve_a_neighbour(serve, dial, receive, options):
    class Handler(EventHandler):
        def fill(self, conn):
            while conn.writable:
                conn.write(b"x" * 1000)

        on_writable = fill

        def on_traffic(self, conn):
            if conn.read() == b"ping":
                conn.write(b"pong")
            else:
                self.fill(conn)

    engine = serve(Handler(), **options)
    reader, other = dial(engine), dial(engine)
    reader.sendall(b"all")
    for _ in range(20):
        receive(reader, 100_000)
        other.sendall(b"ping")
        received = 0
        other.settimeout(0.001)
        while not received:
            try:
                received = len(other.recv(4))
            except TimeoutError:
                receive(reader, 1 << 20)
