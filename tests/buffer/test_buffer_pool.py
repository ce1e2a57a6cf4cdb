"""The pool: classes, bounds, and what it refuses to take back."""

from __future__ import annotations

import pytest

from netcore.buffer import BufferPool
from netcore.buffer.views import VIEWS_ARE_COUNTED


@pytest.mark.parametrize(
    ("size", "given"),
    [(0, 256), (1, 256), (256, 256), (257, 512), (4096, 4096), (4097, 8192), (1 << 20, 1 << 20)],
)
def test_sizes_are_powers_of_two(size: int, given: int) -> None:
    assert len(BufferPool().get(size)) == given


def test_beyond_the_largest_class_it_is_made_to_measure_and_not_kept() -> None:
    pool = BufferPool()
    buffer = pool.get((1 << 20) + 1)
    assert len(buffer) == (1 << 20) + 1
    pool.put(buffer)
    assert pool.retained == 0


def test_what_is_put_is_given_again() -> None:
    pool = BufferPool()
    buffer = pool.get(1000)
    pool.put(buffer)
    assert pool.retained == 1024
    assert pool.get(2000) is not buffer
    assert pool.get(600) is buffer
    assert pool.retained == 0
    assert pool.get(600) is not buffer


def test_it_is_bounded() -> None:
    pool = BufferPool(max_retained=3000)
    for _ in range(5):
        pool.put(bytearray(1024))
    assert pool.retained == 2048
    pool.put(bytearray(512))
    pool.put(bytearray(512))
    assert pool.retained == 2560


def test_a_pool_of_nothing_still_gives() -> None:
    pool = BufferPool(max_retained=0)
    pool.put(pool.get(100))
    assert pool.retained == 0
    assert len(pool.get(100)) == 256


@pytest.mark.parametrize("size", [0, 1, 255, 1000, 3 << 20])
def test_sizes_of_no_class_are_not_kept(size: int) -> None:
    pool = BufferPool(debug=True)
    pool.put(bytearray(size))
    assert pool.retained == 0


def test_double_put_is_noticed_in_debug_mode() -> None:
    pool = BufferPool(debug=True)
    buffer = pool.get(10)
    pool.put(bytearray(256))
    pool.put(buffer)
    with pytest.raises(ValueError, match="twice"):
        pool.put(buffer)
    assert pool.retained == 512
    assert pool.get(10) is buffer
    pool.put(buffer)


@pytest.mark.skipif(not VIEWS_ARE_COUNTED, reason="this interpreter does not count views")
def test_a_buffer_with_a_view_is_refused() -> None:
    pool = BufferPool()
    buffer = pool.get(10)
    view = memoryview(buffer)[5:]
    with pytest.raises(BufferError, match="view"):
        pool.put(buffer)
    assert pool.retained == 0
    assert len(buffer) == 256
    view.release()
    pool.put(buffer)
    assert pool.get(10) is buffer


def test_taking_back_changes_nothing_in_the_buffer() -> None:
    pool = BufferPool()
    buffer = bytearray(range(256))
    pool.put(buffer)
    assert buffer == bytes(range(256))


def test_negative_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        BufferPool(max_retained=-1)
    with pytest.raises(ValueError, match="negative"):
        BufferPool().get(-1)
