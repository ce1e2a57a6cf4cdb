"""The ring that holds storage only while it holds bytes."""

from __future__ import annotations

import io
import sys

import pytest

from netcore.buffer import BufferPool, ElasticRingBuffer
from netcore.buffer.views import VIEWS_ARE_COUNTED

counts_views = pytest.mark.skipif(not VIEWS_ARE_COUNTED, reason="this interpreter does not count views")


def test_holds_no_storage_while_empty() -> None:
    pool = BufferPool(debug=True)
    ring = ElasticRingBuffer(pool)
    assert (ring.capacity, ring.available, ring.is_empty, ring.is_full) == (0, 0, True, False)
    ring.write(b"")
    assert ring.capacity == 0
    ring.write(b"abc")
    assert ring.capacity == 1024
    assert ring.read(3) == b"abc"
    assert ring.capacity == 0
    assert pool.retained == 1024


@pytest.mark.parametrize("how", ["read", "read_into", "discard", "write_to", "reset", "release"])
def test_storage_goes_back_however_it_gets_empty(how: str) -> None:
    pool = BufferPool(debug=True)
    ring = ElasticRingBuffer(pool)
    ring.write(b"abc")
    if how == "read_into":
        ring.read_into(bytearray(3))
    elif how == "discard":
        ring.discard(3)
    elif how == "write_to":
        ring.write_to(io.BytesIO())
    else:
        getattr(ring, how)()
    assert ring.is_empty
    assert ring.capacity == 0
    if how != "write_to" or VIEWS_ARE_COUNTED:
        assert pool.retained == 1024


def test_storage_outgrown_goes_back_too() -> None:
    pool = BufferPool(debug=True)
    ring = ElasticRingBuffer(pool)
    ring.write(b"a" * 1024)
    ring.write(b"b" * 1024)
    assert pool.retained == 1024
    assert ring.capacity == 2048
    ring.write(b"c" * 3000)
    assert ring.capacity == 8192
    assert ring.read() == b"a" * 1024 + b"b" * 1024 + b"c" * 3000
    assert pool.retained == 1024 + 2048 + 8192


def test_works_without_a_pool() -> None:
    ring = ElasticRingBuffer()
    ring.write(b"x" * 5000)
    assert ring.read() == b"x" * 5000
    assert ring.capacity == 0


def test_storage_with_a_live_view_is_left_to_the_view() -> None:
    pool = BufferPool(debug=True)
    ring = ElasticRingBuffer(pool)
    ring.write(b"abc")
    view = ring.peek()[0]
    ring.discard(3)
    assert pool.retained == 0
    ring.write(b"xyz")
    assert view == b"abc"
    assert ring.read() == b"xyz"


@counts_views
def test_storage_goes_back_once_the_view_is_released() -> None:
    pool = BufferPool(debug=True)
    ring = ElasticRingBuffer(pool)
    ring.write(b"abc")
    with ring.peek()[0]:
        pass
    ring.discard(3)
    assert pool.retained == 1024


def test_two_rings_share_a_pool() -> None:
    pool = BufferPool(debug=True)
    first, second = ElasticRingBuffer(pool), ElasticRingBuffer(pool)
    first.write(b"first")
    second.write(b"second")
    view = first.peek()[0]
    assert first.read() == b"first"
    second.write(b"!" * 2000)
    first.write(b"again")
    assert view == b"first"
    assert second.read() == b"second" + b"!" * 2000
    assert first.read() == b"again"


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="object sizes are CPython's")
def test_an_idle_one_is_small() -> None:
    ring = ElasticRingBuffer(BufferPool())
    ring.write(b"abc")
    ring.read()
    assert not hasattr(ring, "__dict__")
    assert sys.getsizeof(ring) < 120


def test_what_an_empty_ring_adopts_is_read_as_it_is():
    pool = BufferPool()
    ring = ElasticRingBuffer(pool)
    data = bytes(range(100))
    for _ in range(2):
        ring.adopt(data)
        assert (ring.buffered, ring.is_empty) == (100, False)
        assert ring.read() is data
        assert ring.is_empty and ring.read() == b""
    assert pool.retained == 0
    ring.adopt(b"")
    assert ring.is_empty


def test_what_was_adopted_is_bytes_like_others():
    data = bytes(range(100))
    ring = ElasticRingBuffer(BufferPool())
    ring.adopt(data)
    (view,) = ring.peek(10)
    assert view == data[:10] and view.readonly
    assert ring.read(20) == data[:20]
    ring.adopt(b"behind")
    ring.write(b", and more")
    assert ring.discard(30) == 30
    target = bytearray(10)
    assert ring.read_into(target) == 10 and target == data[50:60]
    assert ring.read() == data[60:] + b"behind, and more"
    assert view == data[:10]
    assert data == bytes(range(100))


def test_adopted_bytes_that_are_dropped_or_filled_up_again():
    pool = BufferPool()
    ring = ElasticRingBuffer(pool)
    for drop in (ring.reset, ring.release, ring.discard):
        ring.adopt(b"gone")
        drop()
        assert ring.is_empty and ring.capacity == 0
    ring.adopt(b"x" * 10)
    for i in range(3000):
        ring.write(b"%d," % i)
        assert ring.read(2)
    rest = b"".join(b"%d," % i for i in range(3000))
    assert ring.read() == (b"x" * 10 + rest)[6000:]
