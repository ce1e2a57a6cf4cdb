"""``Conn.sendfile`` over fake sockets: order, accounting, and the descriptor's one end."""

from __future__ import annotations

import errno
import gzip
import io
import os
import random
import tempfile

import pytest

from netcore import CloseReason, ConnectionClosedError
from netcore.connection import Limits
from netcore.connection.stream import files

CONTENT = random.Random(1).randbytes(300_000)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def file(path):
    with path.open("rb") as file:
        yield file


@pytest.fixture
def descriptors(monkeypatch):
    """The descriptors that connections have made and not closed; closing one twice fails."""
    opened = set()
    dup, close = os.dup, os.close

    def counting_dup(fd):
        new = dup(fd)
        opened.add(new)
        return new

    def counting_close(fd):
        if fd in opened:
            opened.remove(fd)
        close(fd)

    monkeypatch.setattr("netcore.connection.stream.files.os.dup", counting_dup)
    monkeypatch.setattr("netcore.connection.stream.backlog.os.close", counting_close)
    yield opened
    assert not opened, "a descriptor was left open"


def test_a_file_leaves_in_order_with_the_writes(world, path, descriptors):
    def on_traffic(conn):
        conn.write(b"before ")
        with path.open("rb") as file:
            assert conn.sendfile(file) == len(CONTENT)
        conn.write(b" between ")
        with path.open("rb", buffering=0) as file:
            assert conn.sendfile(file, 100_000, 50_000) == 50_000
        conn.write(b" after")
        assert conn.outbound_buffered == 350_000 + 22

    w = world(on_traffic=on_traffic)
    conn = w.connect()
    w.feed(conn, b"go")
    w.turns(20)
    assert w.sent(conn) == b"before " + CONTENT + b" between " + CONTENT[100_000:150_000] + b" after"
    assert conn.outbound_buffered == 0
    assert w.poller.interests[conn.fd] == 1, "still watched for writing"
    conn.write(b"!")
    w.turns()
    assert w.sent(conn).endswith(b"!")


@pytest.mark.parametrize(
    ("offset", "count"),
    [
        (0, None),
        (0, 0),
        (7, 100_000),
        (299_990, 100),
        (300_000, None),
        (400_000, 5),
        (5, files._SMALL),
        (5, files._SMALL + 1),
    ],
)
def test_the_part_is_what_was_asked_for(world, file, offset, count, descriptors):
    expected = CONTENT[offset:] if count is None else CONTENT[offset : offset + count]
    w = world()
    conn = w.connect()
    file.seek(11)
    assert conn.sendfile(file, offset, count) == len(expected)
    w.turns(20)
    assert w.sent(conn) == expected
    assert file.tell() == 11
    assert not file.closed


@pytest.mark.parametrize("script", [(0,), (1,), (3, 0, 2), (5, 40_000, 0, 30_000, 0, 1), (7, 1, 1, 1)])
def test_partial_sends_lose_and_reorder_nothing(world, file, script, descriptors):
    w = world()
    conn = w.connect()
    w.sockets.script_sends(conn.fd, *script)
    conn.write(b"head ")
    conn.sendfile(file)
    conn.writev([b" tail", bytearray(b" more")])
    w.turns(40)
    assert w.sent(conn) == b"head " + CONTENT + b" tail more"


def test_partial_sends_with_edges(world, file, descriptors):
    w = world(limits=Limits(edge_chunk=65536))
    conn = w.connect()
    w.sockets.script_sends(conn.fd, 5, 40_000, 0, 30_000, 1)
    conn.write(b"head ")
    conn.sendfile(file)
    conn.write(b" tail")
    w.turns(40)
    assert w.sent(conn) == b"head " + CONTENT + b" tail"


def test_flush_sends_what_the_kernel_takes(world, file, descriptors):
    w = world()
    conn = w.connect()
    conn.write(b"head ")
    conn.sendfile(file, 0, 60_000)
    conn.flush()
    assert w.sent(conn) == b"head " + CONTENT[:60_000]
    assert conn.outbound_buffered == 0
    w.turns()


def test_a_long_file_leaves_room_for_the_neighbours(world, file, descriptors):
    w = world(limits=Limits(write_cap=1000), on_traffic=lambda conn: conn.write(conn.read()))
    long, short = w.connect(), w.connect()
    long.sendfile(file)
    w.sockets.feed(short.fd, b"hello")
    w.turns()
    assert w.sent(short) == b"hello"
    assert 0 < len(w.sent(long)) <= 2000
    w.turns(400)
    assert w.sent(long) == CONTENT


def test_a_file_counts_for_the_water_marks_but_not_for_the_maximum(world, file, descriptors):
    w = world(limits=Limits(high_water=1000, low_water=100, max_outbound=2000))
    conn = w.connect()
    conn.sendfile(file)
    assert not conn.writable
    assert conn.outbound_buffered == 300_000
    conn.write(b"x" * 1500)
    w.turns(20)
    assert w.sent(conn) == CONTENT + b"x" * 1500
    assert conn.writable
    assert w.handler.names().count("on_writable") == 1


def test_bytes_behind_a_file_count_for_the_maximum(world, file, descriptors):
    w = world(limits=Limits(high_water=1000, low_water=100, max_outbound=2000))
    conn = w.connect()
    w.sockets.block(conn.fd)
    conn.sendfile(file)
    conn.write(b"x" * 2001)
    w.turns()
    assert conn.close_reason is CloseReason.OVERFLOW
    assert w.sockets.resets == [conn.fd]


def test_close_sends_the_file_first(world, file, descriptors):
    w = world()
    conn = w.connect()
    conn.sendfile(file)
    conn.close()
    w.turns(20)
    assert w.sent(conn) == CONTENT
    assert w.sockets.closed == [conn.fd]
    assert w.handler.details("on_close") == [None]


@pytest.mark.parametrize("ending", ["close", "shutdown_write"])
def test_the_end_comes_after_what_is_behind_the_file(world, file, ending, descriptors):
    w = world()
    conn = w.connect()
    conn.sendfile(file)
    conn.write(b"tail ")
    conn.sendfile(file, 0, 100_000)
    conn.write(b"end")
    getattr(conn, ending)()
    w.turns(20)
    assert w.sent(conn) == CONTENT + b"tail " + CONTENT[:100_000] + b"end"
    assert (w.sockets.closed or w.sockets.shut) == [conn.fd]


def test_shutdown_write_comes_after_the_file(world, file, descriptors):
    w = world()
    conn = w.connect()
    w.sockets.block(conn.fd, after=1000)
    conn.sendfile(file)
    conn.shutdown_write()
    w.turns(3)
    assert w.sockets.shut == []
    with pytest.raises(ConnectionClosedError):
        conn.sendfile(file)
    w.sockets.unblock(conn.fd)
    w.turns(20)
    assert w.sent(conn) == CONTENT
    assert w.sockets.shut == [conn.fd]


def test_close_waits_as_long_as_the_file_goes_on(world, file, descriptors):
    w = world(limits=Limits(close_timeout=5))
    conn = w.connect()
    w.sockets.block(conn.fd, after=1000)
    conn.sendfile(file)
    conn.close()
    for _ in range(4):
        w.turns(2)
        w.clock.advance(4)
        w.turns(2)
        w.sockets.unblock(conn.fd)
        w.sockets.block(conn.fd, after=1000)
        w.sockets._poller.set_ready(conn.fd, 2)
        w.turns()
        w.sockets._poller.clear_ready(conn.fd, 2)
    assert w.handler.details("on_close") == []
    w.turns()
    for _ in range(2):
        w.clock.advance(5.1)
        w.turns(2)
    assert conn.fd in w.sockets.resets
    assert isinstance(w.handler.details("on_close")[0], TimeoutError)


@pytest.mark.parametrize("ending", ["abort", "error", "peer", "loop"])
def test_the_descriptor_is_closed_when_the_file_is_not_sent(world, file, ending, descriptors):
    w = world()
    conn = w.connect()
    w.sockets.block(conn.fd, after=5000)
    conn.sendfile(file)
    conn.sendfile(file)
    w.turns(2)
    assert len(descriptors) == 1  # one for all parts of a file
    if ending == "abort":
        conn.abort()
    elif ending == "error":
        w.sockets.script_sends(conn.fd, -errno.EPIPE)
        w.sockets._poller.set_ready(conn.fd, 2)
    elif ending == "peer":
        w.sockets.feed_error(conn.fd, errno.ECONNRESET)
    else:
        w.loop.close()
    if ending != "loop":
        w.turns(3)
    assert w.handler.names().count("on_close") == 1
    assert not descriptors


def test_a_file_that_shrinks_ends_the_connection_with_a_reset(world, path, file, descriptors):
    w = world()
    conn = w.connect()
    w.sockets.block(conn.fd, after=1000)
    conn.sendfile(file)
    conn.write(b"never sent")
    conn.close()
    w.turns()
    os.truncate(path, 2000)
    w.sockets.unblock(conn.fd)
    w.turns(3)
    assert w.sent(conn) == CONTENT[:2000]
    assert w.sockets.resets == [conn.fd]
    (error,) = w.handler.details("on_close")
    assert isinstance(error, OSError) and error.errno == errno.EIO
    assert "298000 bytes too early" in str(error)


def test_a_file_that_cannot_be_read_ends_the_connection_with_a_reset(world, file, monkeypatch, descriptors):
    w = world()
    conn = w.connect()
    monkeypatch.setattr(w.sockets, "sendfile", lambda *args: -errno.EIO)
    conn.sendfile(file)
    w.turns(3)
    assert w.sockets.resets == [conn.fd]
    assert conn.close_reason is CloseReason.ERROR
    assert w.handler.details("on_close")[0].errno == errno.EIO


def test_what_is_no_regular_file_is_read_at_once(world, descriptors, tmp_path):
    w = world()
    conn = w.connect()
    memory = io.BytesIO(CONTENT)
    memory.seek(3)
    assert conn.sendfile(memory) == len(CONTENT)
    assert conn.sendfile(memory, 299_000) == 1000
    assert conn.sendfile(memory, 10, 90_000) == 90_000
    assert memory.tell() == 3
    reader, writer = os.pipe()
    os.write(writer, b"through a pipe")
    os.close(writer)
    with open(reader, "rb") as pipe:
        with pytest.raises(OSError, match="no position"):
            conn.sendfile(pipe, 1)
        assert conn.sendfile(pipe, 0, 10) == 10
        assert conn.sendfile(pipe) == 4
    with gzip.open(tmp_path / "x.gz", "wb") as packed:
        packed.write(b"unpacked" * 10_000)
    with gzip.open(tmp_path / "x.gz", "rb") as packed:
        assert conn.sendfile(packed, 8, 16) == 16
    w.turns()
    expected = CONTENT + CONTENT[299_000:] + CONTENT[10:90_010] + b"through a pipe" + b"unpacked" * 2
    assert w.sent(conn) == expected


def test_a_file_just_written_is_complete(world, descriptors):
    w = world()
    conn = w.connect()
    with tempfile.NamedTemporaryFile() as file:
        file.write(CONTENT + b"still in the buffer")
        assert conn.sendfile(file) == len(CONTENT) + 19
        assert len(descriptors) == 1
    w.turns(20)
    assert w.sent(conn) == CONTENT + b"still in the buffer"


def test_a_file_that_claims_to_be_empty_is_read(world, descriptors):
    if not os.path.exists("/proc/self/status"):
        pytest.skip("this platform has no /proc")
    w = world()
    conn = w.connect()
    with open("/proc/self/status", "rb") as file:
        assert conn.sendfile(file) > 0
    w.turns()
    assert w.sent(conn).startswith(b"Name:")


def test_mistakes(world, path, file, descriptors):
    conn = world().connect()
    with path.open("r") as text, pytest.raises(TypeError, match="binary"):
        conn.sendfile(text)
    with pytest.raises(TypeError, match="a file object"):
        conn.sendfile(str(path))
    with path.open("ab") as writing, pytest.raises(OSError, match="not readable"):
        conn.sendfile(writing)
    for numbers in ((-1,), (0, -1)):
        with pytest.raises(ValueError, match="negative"):
            conn.sendfile(file, *numbers)
    file.close()
    with pytest.raises(ValueError, match="closed"):
        conn.sendfile(file)
    assert conn.outbound_buffered == 0


def test_a_closed_connection_takes_no_file(world, file, descriptors):
    w = world()
    conn = w.connect()
    conn.close()
    with pytest.raises(ConnectionClosedError):
        conn.sendfile(file)
    w.turns()
    with pytest.raises(ConnectionClosedError):
        conn.sendfile(file)


def test_a_broken_connection_lets_files_vanish(world, file, descriptors):
    def on_traffic(conn):
        conn.read()
        returned.append(conn.sendfile(file))

    returned = []
    w = world(on_traffic=on_traffic)
    conn = w.connect()
    w.sockets.script_sends(conn.fd, -errno.EPIPE)
    conn.write(b"x")
    w.sockets.feed(conn.fd, b"sent before the reset")
    w.turns(4)
    assert returned == [len(CONTENT)]
    assert w.handler.names().count("on_close") == 1


def test_a_write_deadline_sees_the_progress_of_a_file(world, file, descriptors):
    w = world(limits=Limits(write_cap=1000))
    conn = w.connect()
    w.sockets.block(conn.fd, after=1000)
    conn.sendfile(file)
    conn.set_write_deadline(10)
    w.turns(2)
    w.clock.advance(9)
    w.sockets.block(conn.fd, after=1000)
    w.sockets._poller.set_ready(conn.fd, 2)
    w.turns(2)
    w.clock.advance(9)
    w.turns(2)
    assert "on_timeout" not in w.handler.names()
    w.clock.advance(2)
    w.turns(2)
    assert "on_timeout" in w.handler.names()
    w.turns(2)
    w.loop.close()


def test_all_parts_of_a_file_share_a_descriptor(world, path, file, descriptors):
    w = world()
    conns = [w.connect(), w.connect()]
    for conn in conns:
        w.sockets.block(conn.fd, after=100)
        for at in range(0, 100_000, 20_000):
            conn.sendfile(file, at, 20_000)
    with path.open("rb") as another, path.with_name("other").open("w+b") as other:
        conns[0].sendfile(another, 100_000)  # opened twice, it is the same file
        assert len(descriptors) == 1
        other.write(b"z" * 20_000)
        conns[1].sendfile(other)
        assert len(descriptors) == 2
    w.turns(2)
    for conn in conns:
        w.sockets.unblock(conn.fd)
    w.turns(30)
    assert w.sent(conns[0]) == CONTENT
    assert w.sent(conns[1]) == CONTENT[:100_000] + b"z" * 20_000
    assert not descriptors


@pytest.mark.posix  # elsewhere a file that is open is not removed
def test_a_number_that_is_used_again_is_another_file(world, tmp_path, descriptors):
    w = world()
    conn = w.connect()
    w.sockets.block(conn.fd, after=100)
    numbers = set()
    for i in range(5):
        path = tmp_path / str(i)
        path.write_bytes(bytes([48 + i]) * 20_000)
        with path.open("rb") as file:
            numbers.add(file.fileno())
            conn.sendfile(file)
        path.unlink()
    assert len(numbers) < 5
    w.sockets.unblock(conn.fd)
    w.turns(30)
    assert w.sent(conn) == b"".join(bytes([48 + i]) * 20_000 for i in range(5))


def test_parts_without_number_are_bounded(world, file, descriptors):
    w = world(limits=Limits(high_water=1000, low_water=100, max_outbound=20_000))
    conn = w.connect()
    w.sockets.block(conn.fd, after=100)
    for _ in range(1000):
        if conn.closed:
            break
        conn.sendfile(file)
    assert conn.close_reason is CloseReason.OVERFLOW
    w.turns()
    assert not descriptors
