"""The list of chunks: what is kept, what is copied, what is gathered, and how chunks leave."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from netcore.buffer import LinkedListBuffer
from netcore.buffer.views import VIEWS_ARE_COUNTED

BIG = bytes(range(256)) * 16  # 4 KiB

cpython_only = pytest.mark.skipif(sys.implementation.name != "cpython", reason="object sizes are CPython's")


def filled(*chunks: bytes) -> LinkedListBuffer:
    buffer = LinkedListBuffer()
    buffer.writev(chunks)
    return buffer


def test_bytes_are_kept_by_reference() -> None:
    buffer = filled(BIG, b"small", BIG)
    first, small, last = buffer.pop_chunks(-1)
    assert first is last is BIG
    assert small == b"small"


def test_a_lone_small_chunk_is_not_copied_either() -> None:
    small = b"HTTP/1.1 204 No Content\r\n\r\n"
    assert filled(small).pop_chunks(-1)[0] is small


def test_view_of_bytes_is_kept_by_reference() -> None:
    buffer = LinkedListBuffer()
    buffer.write(memoryview(BIG)[1000:])
    (view,) = buffer.pop_chunks(-1)
    assert isinstance(view, memoryview)
    assert view.obj is BIG
    assert view == BIG[1000:]


def test_chunks_survive_the_release_of_the_view_they_came_in() -> None:
    buffer = LinkedListBuffer()
    with memoryview(BIG) as view:
        buffer.write(view)
        buffer.prepend(view)
    assert buffer.read() == BIG * 2


@pytest.mark.parametrize("size", [10, 5000])
@pytest.mark.parametrize("wrap", [bytearray, lambda d: memoryview(bytearray(d))], ids=["bytearray", "view"])
def test_mutable_data_is_copied(size: int, wrap: type[bytearray]) -> None:
    data = wrap(b"a" * size)
    buffer = LinkedListBuffer()
    buffer.write(data)
    buffer.prepend(data)
    data[:] = b"b" * size
    assert buffer.read() == b"a" * (2 * size)


def test_read_only_view_of_mutable_memory_is_copied() -> None:
    data = bytearray(BIG)
    buffer = LinkedListBuffer()
    buffer.write(memoryview(data).toreadonly())
    buffer.prepend(memoryview(data).toreadonly())
    data[:] = bytes(len(data))
    assert buffer.read() == BIG * 2


def test_small_writes_are_gathered() -> None:
    buffer = LinkedListBuffer()
    for i in range(40_000):
        buffer.write(bytes([i % 256]))
    chunks = buffer.peek()
    assert [len(chunk) for chunk in chunks] == [16384, 16384, 40_000 - 2 * 16384]
    assert b"".join(chunks) == bytes(i % 256 for i in range(40_000))


def test_large_writes_end_the_gathering() -> None:
    buffer = filled(b"a", b"b", BIG, b"c", b"d")
    assert [bytes(chunk) for chunk in buffer.pop_chunks(-1)] == [b"ab", BIG, b"cd"]


@cpython_only
def test_a_flood_of_single_bytes_costs_about_a_byte_each(tracemalloc: ModuleType) -> None:
    count = 200_000
    data = bytearray(b"x")  # mutable, so that not even a reference would do
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        buffer = LinkedListBuffer()
        for _ in range(count):
            buffer.write(data)
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert buffer.buffered == count
    assert used < 1.3 * count


@cpython_only
def test_an_empty_one_holds_no_storage(tracemalloc: ModuleType) -> None:
    buffer = LinkedListBuffer()
    assert not hasattr(buffer, "__dict__")
    assert sys.getsizeof(buffer) < 100
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for empty in (
            lambda: buffer.read(),
            lambda: buffer.discard(4100),
            lambda: buffer.pop_chunks(-1),
            lambda: buffer.read_into(bytearray(5000)),
            buffer.reset,
            buffer.release,
        ):
            buffer.writev([b"abc", b"def", bytearray(4094)])
            empty()
            assert buffer.is_empty
            del empty
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert used < 600


def test_pop_chunks_splits_the_last_to_keep_the_limit() -> None:
    one, two = b"1" * 2000, b"2" * 2000
    buffer = filled(one, two)
    chunks = buffer.pop_chunks(3000)
    assert chunks[0] is one
    assert isinstance(chunks[1], memoryview)
    assert chunks[1] == b"2" * 1000
    assert chunks[1].readonly
    assert buffer.buffered == 1000
    assert [bytes(chunk) for chunk in buffer.pop_chunks(1000)] == [b"2" * 1000]
    assert buffer.pop_chunks(1000) == []


def test_pop_chunks_of_nothing() -> None:
    assert LinkedListBuffer().pop_chunks(10) == []
    assert LinkedListBuffer().pop_chunks(-1) == []
    buffer = filled(b"abc")
    assert buffer.pop_chunks(0) == []
    assert buffer.buffered == 3


@pytest.mark.parametrize("limit", [3, 4])
def test_a_popped_block_is_never_mutated(limit: int) -> None:
    buffer = filled(b"ab", b"cd")
    (popped,) = buffer.pop_chunks(limit)
    buffer.writev([b"ef"] * 1000)
    buffer.prepend(b"head")
    assert popped == b"abcd"[:limit]
    assert isinstance(popped, memoryview)
    assert popped.readonly
    assert buffer.read() == b"head" + b"abcd"[limit:] + b"ef" * 1000


def test_prepend_keeps_bytes_and_popped_chunks_by_reference() -> None:
    buffer = filled(BIG, b"ab", b"cd")
    first, block = buffer.pop_chunks(-1)
    assert isinstance(block, memoryview)
    buffer.prepend(block[1:])
    buffer.prepend(memoryview(first)[10:])
    again, rest = buffer.pop_chunks(-1)
    assert isinstance(again, memoryview)
    assert isinstance(rest, memoryview)
    assert again.obj is BIG
    assert rest.obj is block.obj
    assert (again, rest) == (BIG[10:], b"bcd")
    buffer.prepend(BIG)
    assert buffer.pop_chunks(-1)[0] is BIG


def test_prepend_before_a_chunk_that_is_consumed_in_part() -> None:
    buffer = filled(b"0123", b"456789", BIG)
    buffer.discard(5)
    buffer.prepend(b"abc")
    buffer.prepend(b"")
    assert buffer.read() == b"abc56789" + BIG


def test_a_partial_send_puts_the_rest_back() -> None:
    stream = bytes(range(256)) * 300
    buffer = LinkedListBuffer()
    for start in range(0, len(stream), 900):
        buffer.write(stream[start : start + 900])
    sent = b""
    while not buffer.is_empty:
        chunks = buffer.pop_chunks(10_000)
        accepted = 7001
        for index, chunk in enumerate(chunks):
            if len(chunk) > accepted:
                for unsent in reversed(chunks[index + 1 :]):
                    buffer.prepend(unsent)
                buffer.prepend(memoryview(chunk)[accepted:])
                sent += chunk[:accepted]
                break
            sent += chunk
            accepted -= len(chunk)
    assert sent == stream


def test_gathering_goes_on_in_a_new_chunk_while_a_view_is_alive() -> None:
    buffer = filled(b"ab", b"cd")
    view = buffer.peek()[0]
    buffer.write(b"ef")
    buffer.write(b"gh")
    assert view == b"abcd"
    assert b"".join(buffer.peek()) == b"abcdefgh"


@pytest.mark.skipif(not VIEWS_ARE_COUNTED, reason="this interpreter does not count views")
def test_gathering_goes_on_in_the_same_block_once_views_are_gone() -> None:
    buffer = filled(b"ab", b"cd")
    for view in buffer.peek():
        view.release()
    del view
    buffer.write(b"ef")
    assert [bytes(chunk) for chunk in buffer.peek()] == [b"abcdef"]


def test_consumed_chunks_are_freed() -> None:
    chunk = bytes(100_000)
    count = sys.getrefcount(chunk) if hasattr(sys, "getrefcount") else 0
    buffer = filled(chunk, chunk)
    buffer.discard(100_000)
    if count:
        assert sys.getrefcount(chunk) == count + 1
    assert buffer.buffered == 100_000
