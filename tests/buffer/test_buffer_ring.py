"""The ring alone: its sizes, its growth and its way around the end."""

from __future__ import annotations

import pytest

from netcore.buffer import RingBuffer


def content(ring: RingBuffer) -> bytes:
    return b"".join(ring.peek())


@pytest.mark.parametrize(
    ("asked", "given"), [(0, 0), (1, 1), (2, 2), (3, 4), (64, 64), (65, 128), (5000, 8192)]
)
def test_starts_at_a_power_of_two(asked: int, given: int) -> None:
    ring = RingBuffer(asked)
    assert (ring.capacity, ring.available, ring.buffered) == (given, given, 0)
    assert ring.is_empty
    assert not ring.is_full


def test_negative_capacity_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        RingBuffer(-1)


def test_ring_of_size_zero() -> None:
    ring = RingBuffer()
    assert ring.peek(2) == ring.peek() == []
    assert ring.read(5) == b""
    assert ring.discard(5) == ring.available == ring.capacity == 0
    assert ring.write(b"1234" * 12) == 48
    assert ring.capacity == 1024
    assert ring.available == 1024 - 48
    assert content(ring) == b"1234" * 12
    assert ring.discard(48) == 48
    assert ring.is_empty
    assert ring.capacity == 1024


def test_first_write_decides_the_size_of_an_unsized_ring() -> None:
    ring = RingBuffer()
    ring.write(bytes(1025))
    assert ring.capacity == 2048


def test_fills_up_and_doubles() -> None:
    ring = RingBuffer(64)
    ring.write(b"abcd" * 16)
    assert ring.is_full
    assert (ring.available, ring.capacity) == (0, 64)
    ring.write(b"abcd")
    assert (ring.buffered, ring.capacity, ring.is_full) == (68, 128, False)
    assert content(ring) == b"abcd" * 17


def test_grows_byte_by_byte_from_one() -> None:
    ring = RingBuffer(1)
    capacities = []
    for i in range(9):
        ring.write(bytes([i]))
        capacities.append(ring.capacity)
    assert capacities == [1, 2, 4, 4, 8, 8, 8, 8, 16]
    assert ring.read() == bytes(range(9))


@pytest.mark.parametrize(
    ("held", "added", "capacity"),
    [
        (1024, 1, 2048),
        (2048, 1, 4096),
        (2048, 2048, 4096),
        (4096, 1, 5120),
        (4096, 1024, 5120),
        (4096, 1025, 6400),
        (4096, 2049, 6400),
        (4096, 2305, 8000),
        (4096, 4096, 10000),
        (2048, 2049, 5120),
        (1024, 3200, 5120),
    ],
)
def test_growth_steps(held: int, added: int, capacity: int) -> None:
    ring = RingBuffer(held)
    ring.write(b"h" * held)
    assert ring.is_full
    assert ring.capacity == held
    ring.write(b"a" * added)
    assert ring.capacity == capacity
    assert ring.read() == b"h" * held + b"a" * added


def test_wraps_around_the_end() -> None:
    ring = RingBuffer(16)
    ring.write(b"0123456789")
    assert ring.read(6) == b"012345"
    ring.write(b"abcdefghij")
    assert ring.capacity == 16
    assert [bytes(view) for view in ring.peek()] == [b"6789abcdef", b"ghij"]
    assert [bytes(view) for view in ring.peek(12)] == [b"6789abcdef", b"gh"]
    assert [bytes(view) for view in ring.peek(10)] == [b"6789abcdef"]
    assert ring.read(11) == b"6789abcdefg"
    assert ring.read() == b"hij"


def test_wrapped_full_ring_grows_in_order() -> None:
    ring = RingBuffer(8)
    ring.write(b"01234567")
    ring.discard(5)
    ring.write(b"abcde")
    assert ring.is_full
    ring.write(b"XY")
    assert ring.capacity == 16
    assert ring.read() == b"567abcdeXY"


def test_exact_fit_at_the_end_continues_at_the_start() -> None:
    ring = RingBuffer(8)
    ring.write(b"01234567")
    ring.discard(4)
    ring.write(b"89")
    assert content(ring) == b"456789"
    assert ring.discard(4) == 4
    assert [bytes(view) for view in ring.peek()] == [b"89"]


def test_empty_ring_starts_over_at_the_front() -> None:
    ring = RingBuffer(8)
    ring.write(b"012345")
    ring.discard(6)
    ring.write(b"01234567")
    assert len(ring.peek()) == 1


def test_reset_keeps_and_release_gives_up_the_storage() -> None:
    ring = RingBuffer(64)
    ring.write(b"x" * 100)
    ring.reset()
    assert (ring.buffered, ring.capacity) == (0, 128)
    ring.release()
    assert (ring.buffered, ring.capacity) == (0, 0)
    ring.write(b"again")
    assert ring.read() == b"again"


def test_writing_into_seen_and_consumed_space_keeps_the_storage_once_the_views_are_gone() -> None:
    ring = RingBuffer(16)
    for _ in range(10):
        ring.write(b"0123456789")
        assert content(ring) == b"0123456789"
        assert ring.discard(10) == 10
    assert ring.capacity == 16


def test_view_of_consumed_bytes_survives_the_ring_coming_round() -> None:
    ring = RingBuffer(16)
    ring.write(b"0123456789")
    view = ring.peek(5)[0]
    ring.discard(8)
    ring.write(b"abcdef")  # free and unseen: no need to move
    ring.write(b"ghijklmn")  # comes round over the view
    assert view == b"01234"
    assert content(ring) == b"89abcdefghijklmn"
    assert ring.capacity == 16


def test_repr_gives_the_size() -> None:
    ring = RingBuffer()
    ring.write(b"abc")
    assert repr(ring) == "<RingBuffer: 3 bytes>"
