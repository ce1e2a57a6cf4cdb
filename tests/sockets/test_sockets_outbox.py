"""The outbox: two parallel lists that stay parallel."""

from __future__ import annotations

from netcore.sockets import Outbox


def test_starts_empty() -> None:
    outbox = Outbox(100)
    assert (outbox.fds, outbox.chunks, outbox.size, outbox.limit) == ([], [], 0, 100)


def test_add_keeps_the_order_and_counts() -> None:
    outbox = Outbox(100)
    for fd, chunk in ((3, b"one"), (4, b""), (3, memoryview(b"three")), (5, b"x")):
        outbox.add(fd, chunk)
    assert outbox.fds == [3, 4, 3, 5]
    assert outbox.chunks == [b"one", b"", b"three", b"x"]
    assert outbox.size == 9


def test_bytes_for_one_socket() -> None:
    outbox = Outbox(100)
    for fd, chunk in ((3, b"one"), (4, b"other"), (3, memoryview(b"three"))):
        outbox.add(fd, chunk)
    assert [outbox.bytes_for(fd) for fd in (3, 4, 5)] == [8, 5, 0]


def test_clear_keeps_the_lists_themselves() -> None:
    outbox = Outbox(100)
    fds, chunks = outbox.fds, outbox.chunks
    outbox.add(3, b"one")
    outbox.clear()
    assert (outbox.fds, outbox.chunks, outbox.size, outbox.limit) == ([], [], 0, 100)
    assert outbox.fds is fds and outbox.chunks is chunks
    outbox.add(4, b"two")
    assert (fds, chunks, outbox.size) == ([4], [b"two"], 3)


def test_beyond_the_limit_is_the_writers_business() -> None:
    outbox = Outbox(2)
    outbox.add(3, b"three")
    assert outbox.size == 5
