"""What brings much at a time: whole objects, large writes at once, and a bound for the neighbours' sake."""

from __future__ import annotations

import collections
import socket
import threading
from collections.abc import Callable

import pytest

from netcore import Conn, Engine, EventHandler

CAP = 65536
"""Bytes of one receive."""

SHARE = 262144
"""Bytes that one connection may bring in a turn, level-triggered, to which the last receive may add."""

LARGE = 16384


def receive(sock: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = sock.recv(size)
        assert part, "the stream has ended too early"
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def pattern(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


class Echo(EventHandler):
    def __init__(self, answer: Callable[[Conn], object]) -> None:
        self.answer = answer

    def on_traffic(self, conn: Conn) -> None:
        self.answer(conn)


class Number:
    """A number of bytes that is no int, as numpy's are."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


ANSWERS: dict[str, Callable[[Conn], object]] = {
    "read": lambda conn: conn.write(conn.read()),
    "next": lambda conn: conn.write(conn.next()),
    "halves": lambda conn: (conn.write(conn.read(conn.inbound_buffered // 2)), conn.write(conn.read())),
    "views of halves": lambda conn: (
        [conn.write(conn.next(conn.inbound_buffered // 2)) for _ in "12"] + [conn.write(conn.next())]
    ),
    "numbers that are no int": lambda conn: (
        conn.write(conn.read(Number(conn.inbound_buffered // 2))),
        conn.write(conn.next(Number(conn.inbound_buffered))),
    ),
    "bytearray": lambda conn: conn.write(bytearray(conn.read())),
    "pieces": lambda conn: (
        conn.writev([conn.read(5000), conn.next(), b""])
        if conn.inbound_buffered > 5000
        else conn.write(conn.read())
    ),
}


@pytest.mark.parametrize("edge", [False, True], ids=["level", "edge"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_bytes_come_back_as_they_were(
    serve: Callable[..., Engine], dial: Callable[..., socket.socket], answer: str, edge: bool
) -> None:
    sock = dial(serve(Echo(ANSWERS[answer]), edge_triggered=edge))
    for size in (1, LARGE - 1, LARGE, LARGE + 1, CAP - 1, CAP, CAP + 1, 3, 5 * CAP, 1023, 1025, 8191, 8193):
        data = pattern(size)
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        assert receive(sock, size) == data
        sender.join()


def test_what_was_left_unread_comes_before_what_follows(
    serve: Callable[..., Engine], dial: Callable[..., socket.socket]
) -> None:
    size = 4 * CAP

    def whole(conn: Conn) -> None:
        if conn.inbound_buffered >= size:
            conn.write(conn.read())

    sock = dial(serve(Echo(whole)))
    for _ in range(3):
        data = pattern(size)
        sock.sendall(data)
        assert receive(sock, size) == data


def test_an_object_outlives_the_callback_that_has_read_it(
    serve: Callable[..., Engine], dial: Callable[..., socket.socket]
) -> None:
    seen: list[bytes] = []

    def keep(conn: Conn) -> None:
        seen.append(conn.read())
        conn.async_write(seen[-1])

    sock = dial(serve(Echo(keep)))
    data = [pattern(CAP)[i:] + bytes(i) for i in range(8)]
    for each in data:
        sock.sendall(each)
        assert receive(sock, CAP) == each
    assert b"".join(seen) == b"".join(data)


@pytest.mark.parametrize("edge", [False, True], ids=["level", "edge"])
def test_one_connection_brings_no_more_in_a_turn_than_its_share(
    serve: Callable[..., Engine], dial: Callable[..., socket.socket], edge: bool
) -> None:
    brought: collections.Counter[int] = collections.Counter()
    total = 24 * CAP
    done = threading.Event()

    def count(conn: Conn) -> None:
        brought[conn.loop.metrics().turns] += len(conn.read())
        if sum(brought.values()) == total:
            done.set()

    engine = serve(Echo(count), edge_triggered=edge, edge_triggered_chunk=SHARE)
    sock = dial(engine)
    sock.sendall(bytes(CAP))
    held = threading.Event()
    engine.loops[0].execute(held.wait, 20)  # so that much is there at once
    sender = threading.Thread(target=sock.sendall, args=(bytes(total - CAP),))
    sender.start()
    sender.join(0.2)
    held.set()
    sender.join()
    assert done.wait(20)
    assert max(brought.values()) <= SHARE + CAP
