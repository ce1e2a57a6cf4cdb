"""Views in and out: item sizes, read-only rules, and that a live view never changes."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable

import pytest

from netcore.buffer import ByteBuffer
from netcore.buffer.views import byte_view, writable_view

Make = Callable[[], ByteBuffer]


class Words(ctypes.Structure):
    _fields_ = [("a", ctypes.c_uint32), ("b", ctypes.c_uint16)]


@pytest.mark.parametrize(
    "data",
    [
        array("i", [1, 2, 3]),
        array("d", [1.5]),
        array("i"),
        memoryview(b"123456").cast("B", (2, 3)),
        (ctypes.c_uint32 * 3)(1, 2, 3),
        Words(1, 2),
        memoryview(b"abc").cast("c"),
    ],
    ids=["int", "double", "empty", "matrix", "ctypes-array", "structure", "char"],
)
def test_any_contiguous_buffer_counts_in_bytes(make: Make, data: array[int]) -> None:
    raw = memoryview(data).tobytes()
    buffer = make()
    assert buffer.write(data) == len(raw)
    assert buffer.buffered == len(raw)
    assert buffer.read() == raw


@pytest.mark.parametrize("size", [5, 5000])
def test_what_was_passed_in_may_be_resized_at_once(make: Make, size: int) -> None:
    buffer = make()
    data = bytearray(size)
    buffer.writev([data, data])
    words = array("H", [1, 2])
    buffer.write(words)
    target = bytearray(size)
    buffer.read_into(target)
    for some in (data, target, words):
        some.extend(b"12")  # BufferError where a view of it is alive
    with pytest.raises(TypeError, match="read-only"):
        buffer.read_into(memoryview(target).toreadonly())
    with pytest.raises(BufferError), memoryview(target) as view, view[::2] as gaps:
        buffer.write(gaps)
    assert buffer.read() == bytes(size) + b"\1\0\2\0"


def test_read_into_any_item_size(make: Make) -> None:
    buffer = make()
    buffer.write(b"0123456789")
    words = (ctypes.c_uint16 * 2)()
    assert buffer.read_into(words) == 4
    assert bytes(words) == b"0123"
    items = array("H", [0])
    assert buffer.read_into(items) == 2
    assert items.tobytes() == b"45"
    assert buffer.read_into(array("H")) == 0
    assert buffer.read_into(memoryview(bytearray(3))) == 3
    assert buffer.read() == b"9"


def test_gaps_are_refused(make: Make) -> None:
    buffer = make()
    with pytest.raises(BufferError):
        buffer.write(memoryview(b"0123456789")[::2])
    buffer.write(b"abc")
    with pytest.raises(BufferError):
        buffer.read_into(memoryview(bytearray(10))[::2])
    assert buffer.read() == b"abc"


@pytest.mark.parametrize("content", [b"", b"abc"])
def test_read_into_read_only_memory_is_refused(make: Make, content: bytes) -> None:
    buffer = make()
    buffer.write(content)
    with pytest.raises(TypeError, match="read-only"):
        buffer.read_into(b"123")
    assert buffer.read() == content


@pytest.mark.parametrize("data", ["text", 5, None])
def test_what_is_no_buffer_is_refused(make: Make, data: object) -> None:
    buffer = make()
    with pytest.raises(TypeError):
        buffer.write(data)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        buffer.writev([b"before", data])  # type: ignore[list-item]
    assert buffer.read() == b"before"


def test_peeked_views_cannot_be_written_to(make: Make) -> None:
    buffer = make()
    buffer.writev([b"abc", bytearray(b"def"), b"x" * 3000])
    for view in buffer.peek():
        with pytest.raises(TypeError):
            view[0] = 0


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b.read(),
        lambda b: b.discard(-1),
        lambda b: b.read_into(bytearray(100)),
        lambda b: b.reset(),
        lambda b: b.release(),
    ],
    ids=["read", "discard", "read_into", "reset", "release"],
)
def test_a_view_survives_the_reuse_of_its_buffer(make: Make, change: Callable[[ByteBuffer], object]) -> None:
    buffer = make()
    buffer.writev([b"abc", b"def"])
    views = buffer.peek()
    change(buffer)
    for size in (1, 3, 100, 5000):
        buffer.write(b"!" * size)
    assert b"".join(views) == b"abcdef"
    assert buffer.read() == b"!" * 5104


def test_a_slice_of_a_view_is_a_view(make: Make) -> None:
    buffer = make()
    buffer.write(b"abcdef")
    part = buffer.peek()[0][2:4]
    buffer.discard()
    buffer.write(b"!" * 1000)
    assert part == b"cd"


def test_a_buffer_may_be_given_its_own_views(make: Make) -> None:
    buffer = make()
    buffer.write(b"abc")
    for _ in range(12):
        buffer.writev(buffer.peek())
    assert buffer.read() == b"abc" * 4096


def test_releasing_peeked_views_harms_nobody(make: Make) -> None:
    buffer = make()
    buffer.writev([b"abc", b"def", b"x" * 2000])
    for view in buffer.peek():
        view.release()
    buffer.write(b"y")
    assert buffer.read() == b"abcdef" + b"x" * 2000 + b"y"


def test_byte_view_of_plain_bytes_copies_nothing() -> None:
    data = bytearray(b"abc")
    view = writable_view(data)
    view[0] = ord("X")
    assert data == b"Xbc"
    assert byte_view(b"abc").readonly
