"""Memory that runs out while one connection is served ends that one."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from netcore import CloseReason
from netcore.buffer import LinkedListBuffer
from netcore.codec import FrameHandler, LineCodec
from netcore.connection import Limits


class Pool:
    """A buffer pool that has no memory, as long as the test says so."""

    def __init__(self, pool):
        self.real, self.empty = pool, True

    def get(self, size):
        if self.empty:
            raise MemoryError
        return self.real.get(size)

    def put(self, buffer):
        if self.empty:
            raise MemoryError
        self.real.put(buffer)


def ended(conn):
    return conn.close_reason is CloseReason.ERROR and conn.closed


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("chunk", [0, 4000], ids=["level", "edge"])
def test_keeping_unread_bytes(site, count, chunk):
    unread = set()

    def on_traffic(conn):
        if conn.id not in unread:
            conn.write(conn.read())

    s = site(places=9, limits=Limits(edge_chunk=chunk), on_traffic=on_traffic)
    conns = s.connect(count)
    unread.add(conns[0].id)
    s.loop.pool = pool = Pool(s.loop.pool)
    for conn in conns:
        s.sockets.feed(conn.fd, bytes([conn.fd]) * 1000)
    s.turns()
    assert ended(conns[0])
    assert s.handler.names(conns[0])[-1] == "on_close"
    assert isinstance(s.handler.details("on_close")[0], MemoryError)
    for conn in conns[1:]:
        assert s.sockets.sent[conn.fd] == bytes([conn.fd]) * 1000
    pool.empty = False
    assert s.is_even() and s.serves()


def test_keeping_unread_bytes_of_the_only_one(site):
    s = site(on_traffic=lambda conn: None)
    conn = s.connect()
    s.loop.pool = pool = Pool(s.loop.pool)
    s.sockets.feed(conn.fd, b"x")
    s.turns()
    pool.empty = False
    assert ended(conn)
    assert s.is_even()


def test_bytes_that_come_behind_unread_ones(site, monkeypatch):
    s = site(on_traffic=lambda conn: None)
    one, other = s.connect(2)
    for conn in (one, other):
        s.sockets.feed(conn.fd, b"x")
    s.turns()
    write = type(one._kept).write

    def fail(self, data):
        if self is one._kept:
            raise MemoryError
        return write(self, data)

    monkeypatch.setattr(type(one._kept), "write", fail)
    for conn in (one, other):
        s.sockets.feed(conn.fd, b"more")
    s.turns()
    assert ended(one)
    assert bytes(other.peek()) == b"xmore"


def test_what_the_kernel_has_not_taken(site, monkeypatch):
    s = site()
    one, other = s.connect(2)
    prepend = LinkedListBuffer.prepend

    def fail(self, chunk):
        if bytes(chunk).startswith(b"1"):
            raise MemoryError
        prepend(self, chunk)

    monkeypatch.setattr(LinkedListBuffer, "prepend", fail)
    for conn in (one, other):
        s.sockets.block(conn.fd)

    def both():
        one.write(b"1" * 100)
        other.write(b"2" * 100)
        other.flush()  # whose flush it is does not matter

    s.loop.execute(both)
    s.turns()
    assert ended(one)
    assert other.outbound_buffered == 100
    s.sockets.unblock(other.fd)
    s.turns()
    assert s.sockets.sent[other.fd] == b"2" * 100


def test_offering_it_again(site, monkeypatch):
    s = site()
    one, other = s.connect(2)
    for conn in (one, other):
        s.sockets.block(conn.fd)
        conn.write(b"%d" % conn.fd * 100)
    s.turns()
    pop_chunks, waiting = LinkedListBuffer.pop_chunks, one._backlog._front

    def fail(self, limit):
        if self is waiting:
            raise MemoryError
        return pop_chunks(self, limit)

    monkeypatch.setattr(LinkedListBuffer, "pop_chunks", fail)
    for conn in (one, other):
        s.sockets.unblock(conn.fd)
    s.turns()
    assert ended(one)
    assert s.sockets.sent[other.fd] == b"%d" % other.fd * 100


@pytest.mark.parametrize("method", ["feed", "wrap", "output", "finish", "end_of_stream", "held", "ended"])
def test_a_filter(site, toys, method):
    s = site(places=5)
    one, other = s.connect(2)
    for conn in (one, other):
        conn.put_on(toys.ToyFilter())

    def fail(*args):
        raise MemoryError

    worn = one._filtering.filter
    if method in ("held", "ended"):
        one._filtering.filter = type("Faulty", (toys.ToyFilter,), {method: property(fail, fail)}).__new__(
            type("Faulty", (toys.ToyFilter,), {method: property(fail, lambda self, value: None)})
        )
        one._filtering.filter.__init__()
    else:
        setattr(worn, method, fail)
    for conn in (one, other):
        s.sockets.feed(conn.fd, toys.encode(b"hello"))
    s.turns()
    one.close()
    s.sockets.feed_eof(one.fd)
    s.turns()
    assert one.closed
    assert s.handler.names(one).count("on_close") == 1
    assert toys.decode(s.sockets.sent[other.fd])[0] == b"hello"
    assert s.is_even()


def test_a_codec(site):
    class Lines(FrameHandler):
        def on_frame(self, conn, frame):
            if frame == b"bad":
                raise MemoryError
            conn.write(frame)

    s = site()
    handler = Lines(LineCodec(100))
    s.handler._callbacks.update(on_open=handler.on_open, on_traffic=handler.on_traffic)
    one, other = s.connect(2)
    s.sockets.feed(one.fd, b"bad\n")
    s.sockets.feed(other.fd, b"good\n")
    s.turns()
    assert one.closed
    assert s.sockets.sent[other.fd] == b"good"
    assert s.is_even()


def test_a_new_connection(site, monkeypatch):
    s = site(places=5)
    conn = s.connect()
    make = s.loop._hosted.stream_class

    def fail(host, fd, *args):
        if fd == fds[1]:
            raise MemoryError
        return make(host, fd, *args)

    monkeypatch.setattr(s.loop._hosted, "stream_class", fail)
    fds = s.arrive(3)
    s.turns()
    assert set(s.loop._hosted.streams) == {conn.fd, fds[0], fds[2]}
    assert s.is_even()


def test_a_turn_for_nobody_in_particular(site, monkeypatch):
    s = site(limits=Limits(edge_chunk=1000))
    conn = s.connect()
    serve, failing = s.loop._intake.serve, [1, 1]

    def fail():
        if failing:
            failing.pop()
            raise MemoryError
        serve()

    monkeypatch.setattr(s.loop._intake, "serve", fail)
    s.sockets.feed(conn.fd, b"hello")
    s.turns(5)
    assert s.sockets.sent[conn.fd] == b"hello", "the edge was lost"


def test_a_datagram(site, monkeypatch):
    s = site()
    make, failing = s.datagrams._port.conn_class, [1]

    def fail(*args):
        if failing:
            failing.pop()
            raise MemoryError
        return make(*args)

    s.datagrams._port.conn_class = fail
    s.sockets.feed_datagram(60, b"one")
    s.sockets.feed_datagram(60, b"two")
    s.turns()
    assert [data for data, _ in s.sockets.datagrams[60]] == [b"two"]


LIMITED = """
    import os, resource, socket, sys
    from netcore import Engine, EventHandler

    def say(*words):  # in one piece: the loop's thread speaks as well
        os.write(1, (" ".join(map(str, words)) + "\\n").encode())

    class Unread(EventHandler):
        def on_traffic(self, conn):
            if conn.peek(1) == b"e":
                conn.write(conn.read())

        def on_close(self, conn, error):
            say("closed", type(error).__name__)

    engine = Engine(Unread(), "tcp://127.0.0.1:0", max_inbound=1 << 40)
    engine.start()
    address = ("127.0.0.1", engine.addresses[0].port)
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + (96 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    with socket.create_connection(address) as greedy, socket.create_connection(address) as modest:
        piece = b"x" * 65536
        try:
            for _ in range(8000):
                greedy.sendall(piece)
        except OSError:
            say("reset")
        modest.sendall(b"echo")
        say(modest.recv(10).decode(), engine.running)
    say(engine.stop(30))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and a limit of the address space")
def test_the_address_space_is_full():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LIMITED)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=sys.prefix,
    )
    lines = done.stdout.splitlines()
    assert "closed MemoryError" in lines, done.stdout + done.stderr
    assert "echo True" in lines, done.stdout + done.stderr
    assert lines[-1] == "True"
