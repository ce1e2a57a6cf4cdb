"""``async_write`` counts from the moment of the call, on any thread."""

from __future__ import annotations

import errno
import socket
import threading

import pytest

from netcore import Address, CloseReason, ConnectionClosedError, EventHandler
from netcore.connection import Limits

BOUNDS = Limits(high_water=1000, low_water=100, max_outbound=2000)
LOCAL, REMOTE = Address("udp", "192.0.2.1", 9000), Address("udp", "192.0.2.9", 53)


@pytest.fixture(params=["stream", "filtered", "dialled"])
def connected(request, world, toys):
    """Makes a world with a connection of each kind that has a life of its own."""

    def make(**callbacks):
        w = world(limits=BOUNDS, **callbacks)
        if request.param == "dialled":
            return w, w.loop._hosted.establish_datagrams(61, socket.AF_INET, REMOTE, LOCAL, None)
        conn = w.connect()
        if request.param == "filtered":
            conn.put_on(toys.ToyFilter())
            w.turns()
        return w, conn

    return make


def on_a_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


@pytest.mark.parametrize("run", [lambda function: function(), on_a_thread], ids=["loop", "thread"])
def test_it_counts_from_the_moment_of_the_call(connected, run):
    w, conn = connected()
    run(lambda: (conn.async_write(b"x" * 300), conn.async_writev([b"y" * 100, bytearray(100)])))
    assert conn.outbound_buffered == 500
    assert w.loop.metrics().outbound_buffered == 500
    assert conn.writable
    run(lambda: conn.async_write(b"z" * 500))
    assert conn.outbound_buffered == 1000
    assert not conn.writable
    w.turns(2)
    assert conn.outbound_buffered == 0
    assert w.loop.metrics().outbound_buffered == 0
    assert conn.writable
    assert w.handler.names(conn).count("on_writable") == 1


def test_below_the_mark_nobody_is_told(connected):
    w, conn = connected()
    for _ in range(5):
        conn.async_write(b"x" * 999)
        assert conn.writable
        w.turns(2)
    assert "on_writable" not in w.handler.names(conn)


def test_writing_while_writable_ends(connected):
    def fill(conn):
        count = 0
        while conn.writable:
            assert count < 100
            conn.async_write(b"x" * 100)
            count += 1
        counts.append(count)

    counts = []
    w, conn = connected(on_writable=fill)
    fill(conn)
    for _ in range(6):
        w.turns()
    assert len(counts) > 2
    assert set(counts) <= {9, 10}


@pytest.mark.parametrize("run", [lambda function: function(), on_a_thread], ids=["loop", "thread"])
def test_what_is_beyond_the_maximum_is_refused_and_ends_the_connection(connected, run):
    def write():
        for number in range(200):
            conn.async_write(b"x" * 1000, lambda c, error, number=number: told.append((number, error)))

    told = []
    w, conn = connected()
    run(write)
    assert conn.outbound_buffered == 2000
    w.turns(3)
    assert conn.close_reason is CloseReason.OVERFLOW
    (error,) = w.handler.details("on_close")
    assert error.errno == errno.ENOBUFS
    assert [number for number, _ in told] == list(range(200))
    assert [error for _, error in told[:2]] == [None, None]
    assert told[2][1].errno == errno.ENOBUFS
    assert all(isinstance(error, ConnectionClosedError) for _, error in told[2:])
    assert conn.outbound_buffered == 0


def test_what_is_refused_takes_no_memory(connected):
    w, conn = connected()
    for _ in range(1000):
        conn.async_write(b"x" * 1000)
    assert w.loop.metrics().tasks_pending <= 4


def test_very_small_ones_are_bounded_by_their_number(connected):
    w, conn = connected()
    for _ in range(3000):
        conn.async_write(b"x")
    assert w.loop.metrics().tasks_pending <= 1100
    w.turns(5)
    assert conn.close_reason is CloseReason.OVERFLOW


def test_what_waits_already_counts(world):
    w = world(limits=BOUNDS)
    conn = w.connect()
    w.sockets.block(conn.fd)
    conn.write(b"x" * 600)
    w.turns()
    conn.async_write(b"y" * 400)
    assert not conn.writable
    assert conn.outbound_buffered == 1000
    w.turns()
    assert not conn.writable
    conn.async_write(b"z" * 1001)
    w.turns(2)
    assert conn.close_reason is CloseReason.OVERFLOW


def test_a_write_counts_what_is_promised(world):
    w = world(limits=BOUNDS)
    conn = w.connect()
    w.sockets.block(conn.fd)
    conn.write(b"x")
    w.turns()
    conn.async_write(b"y" * 1500)
    conn.write(b"z" * 600)
    w.turns(2)
    assert conn.close_reason is CloseReason.OVERFLOW


def test_on_a_closed_connection_nothing_is_promised_for_long(connected):
    told = []
    w, conn = connected()
    conn.close()
    w.turns(2)
    for _ in range(10):
        conn.async_write(b"x" * 1000, lambda c, error: told.append(type(error)))
    w.turns(2)
    assert told == [ConnectionClosedError] * 10
    assert conn.outbound_buffered == 0


def test_empty_ones_bring_their_callbacks_whatever_is_waiting(connected):
    told = []
    w, conn = connected()
    conn.async_write(b"x" * 2000)
    for _ in range(2000):
        conn.async_writev((), lambda c, error: told.append(error))
    w.turns(5)
    assert told == [None] * 2000


def test_a_servers_datagrams_have_the_bound_of_their_port(world):
    kept, told = [], []
    w = world(limits=BOUNDS, on_traffic=kept.append)
    w.loop.listen_for_datagrams(60, socket.AF_INET, LOCAL)
    w.loop.start_accepting()
    for _ in range(2):
        w.sockets.feed_datagram(60, b"?")
    w.turns()
    one, other = kept
    for number in range(4):
        one.async_write(b"x" * 500, lambda c, error, number=number: told.append((number, error)))
    assert one.outbound_buffered == other.outbound_buffered == 1500
    assert w.loop.metrics().outbound_buffered == 1500
    assert not other.writable
    for _ in range(1000):
        other.async_write(b"y" * 1000)
    assert w.loop.metrics().tasks_pending <= 6
    w.turns(2)
    assert [number for number, _ in told] == [0, 1, 2, 3]
    assert [error for _, error in told[:3]] == [None] * 3
    assert told[3][1].errno == errno.ENOBUFS
    assert not other.closed
    assert other.writable
    assert len(w.sockets.datagrams[60]) == 3
    assert w.loop.metrics().datagrams_dropped == 1001
    other.async_write(b"goes on")
    w.turns()
    assert w.sockets.datagrams[60][-1][0] == b"goes on"


@pytest.mark.parametrize("options", [{}, {"edge_triggered": True}])
def test_a_busy_loop_in_the_kernel(serve, dial, options):
    class Busy(EventHandler):
        def on_open(self, conn):
            conns.append(conn)

        def on_traffic(self, conn):
            conn.read()
            busy.set()
            assert go_on.wait(30)

        def on_close(self, conn, error):
            closed.set()

    conns, told = [], []
    busy, go_on, closed, done = (threading.Event() for _ in range(4))
    engine = serve(Busy(), high_water=1000, low_water=10, max_outbound=2000, **options)
    sock = dial(engine)
    sock.sendall(b"x")
    assert busy.wait(30)
    (conn,) = conns
    for _ in range(2000):
        conn.async_write(b"y" * 1000)
    conn.async_write(b"last", lambda c, error: (told.append(error), done.set()))
    metrics = engine.metrics()
    assert metrics.outbound_buffered == 2000
    assert metrics.tasks_pending <= 5
    go_on.set()
    assert closed.wait(30)
    assert done.wait(30)
    assert conn.close_reason is CloseReason.OVERFLOW
    assert isinstance(told[0], ConnectionClosedError)
