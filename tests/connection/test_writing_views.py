"""What may be written besides bytes, and several chunks at once, by each half of the hot path."""

from __future__ import annotations

import array

import pytest

from netcore.connection import Limits

CUBE = memoryview(bytes(range(24))).cast("B", (2, 3, 4))
VIEWS = {
    "part": (memoryview(b"abcdef")[1:4], b"bcd"),
    "strided": (memoryview(b"abcdef")[::2], b"ace"),
    "reversed": (memoryview(b"abc")[::-1], b"cba"),
    "of numbers": (memoryview(array.array("I", [1, 2])), array.array("I", [1, 2]).tobytes()),
    "of many numbers": (memoryview(array.array("Q", range(3000))), array.array("Q", range(3000)).tobytes()),
    "of three dimensions": (CUBE, bytes(range(24))),
    "of none": (memoryview(array.array("B", [7])).cast("B", ()), b"\7"),
    "empty": (memoryview(b""), b""),
    "large, in rows": (memoryview(b"xy" * 5000).cast("B", (100, 100)), b"xy" * 5000),
    "large": (memoryview(b"x" * 100_000)[5:], b"x" * 99_995),
    "mutable": (bytearray(b"mutable"), b"mutable"),
    "large and mutable": (bytearray(b"y" * 40_000), b"y" * 40_000),
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("how", ["write", "writev", "in a list"])
def test_whatever_has_bytes_may_be_written(world, name, how):
    data, expected = VIEWS[name]
    counts = []

    def on_traffic(conn):
        write = {
            "write": conn.write,
            "writev": lambda data: conn.writev((data,)),
            "in a list": lambda data: conn.writev([b"<", data, b">"]) - 2,
        }[how]
        counts.append(write(data))

    w = world(on_traffic=on_traffic)
    conn = w.connect()
    w.feed(conn, b"go")
    w.turns(2)
    assert counts == [len(expected)]
    assert w.sent(conn) == (b"<%b>" % expected if how == "in a list" else expected)


def released():
    view = memoryview(b"x")
    view.release()
    return view


@pytest.mark.parametrize(
    ("data", "error"),
    [(released(), ValueError), ("text", TypeError), (None, TypeError), (5, TypeError)],
)
@pytest.mark.parametrize("how", ["write", "writev", "behind bytes"])
def test_what_has_none_leaves_nothing_behind(world, data, error, how):
    def on_traffic(conn):
        with pytest.raises(error):
            if how == "write":
                conn.write(data)
            else:
                conn.writev([b"first", data] if how == "behind bytes" else (data,))
        conn.write(b"after")

    w = world(on_traffic=on_traffic)
    conn = w.connect()
    w.feed(conn, b"go")
    assert w.sent(conn) == b"after"
    assert not w.handler.details("on_error")


@pytest.mark.parametrize(
    "kind", [list, tuple, iter, lambda chunks: (chunk for chunk in chunks), dict.fromkeys]
)
def test_chunks_come_in_any_iterable(world, kind):
    chunks = [b"a", b"", b"b" * 2000, b"c" * 20_000, b"d"]
    w = world(on_traffic=lambda conn: conn.writev(kind(chunks)) and None)
    conn = w.connect()
    w.feed(conn, b"go")
    assert w.sent(conn) == b"".join(chunks)


@pytest.mark.parametrize("arguments", [(), ([], []), (5,)])
def test_writev_takes_one_iterable(world, arguments):
    w = world()
    conn = w.connect()
    with pytest.raises(TypeError):
        conn.writev(*arguments)
    assert conn.writev([]) == conn.writev(()) == conn.writev(chunks=()) == 0


def test_a_chunk_that_the_kernel_refuses_has_the_others_wait_behind_it(world):
    w = world(limits=Limits(high_water=100_000, low_water=10))
    conn = w.connect()
    w.sockets.block(conn.fd, after=3)
    assert conn.writev([b"x" * 20_000, b"y" * 20_000, b"z"]) == 40_001
    w.turns(2)
    assert w.sent(conn) == b"xxx"
    assert conn.outbound_buffered == 39_998
    w.sockets.unblock(conn.fd)
    w.turns(3)
    assert w.sent(conn) == b"x" * 20_000 + b"y" * 20_000 + b"z"


def test_bytes_that_are_written_are_let_go_of(world):
    conn = (w := world()).connect()
    mutable = bytearray(b"abc" * 2000)
    with memoryview(mutable) as view, view[3:9] as middle, view[:3] as first:
        for _ in range(3):
            conn.write(mutable)
            conn.write(middle)
            conn.writev([mutable, first])
            conn.async_write(mutable)
            conn.async_writev([mutable])
    mutable.extend(b"x")  # which a view of it would forbid
    w.turns(2)
    assert len(w.sent(conn)) == 3 * (6000 + 6 + 6000 + 3 + 6000 + 6000)
