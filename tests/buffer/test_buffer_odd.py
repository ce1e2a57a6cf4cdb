"""Odd arguments of buffers and the pool: refused, and nothing is changed."""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable
from typing import Any

import pytest

from netcore.buffer import BufferPool, ByteBuffer, ElasticBuffer, RingBuffer

ODD = [2.0, math.nan, math.inf, decimal.Decimal(2), "2", b"2", None, [], 2j]
TEXT = bytes(range(256)) * 20


class Raising:
    def __index__(self) -> int:
        raise LookupError("on purpose")


@pytest.mark.parametrize("odd", [*ODD, Raising()], ids=lambda odd: type(odd).__name__)
@pytest.mark.parametrize("method", ["read", "peek", "discard"])
def test_a_count_that_is_no_whole_number(make: Callable[[], ByteBuffer], method: str, odd: Any) -> None:
    buffer = make()
    buffer.write(TEXT)
    with pytest.raises(LookupError if isinstance(odd, Raising) else TypeError):
        getattr(buffer, method)(odd)
    assert buffer.read() == TEXT


@pytest.mark.parametrize("file", [None, 3, "x", object()])
def test_what_is_no_file(make: Callable[[], ByteBuffer], file: Any) -> None:
    buffer = make()
    buffer.write(b"here")
    for method in (buffer.write_to, buffer.read_from):
        with pytest.raises(TypeError, match="a file object with a method"):
            method(file)
    assert buffer.read() == b"here"


@pytest.mark.parametrize("odd", ODD)
def test_sizes_of_buffers_are_whole(odd: Any) -> None:
    for make in (RingBuffer, ElasticBuffer, BufferPool, BufferPool().get):
        with pytest.raises(TypeError, match="must be a whole number"):
            make(odd)
    for sized in (RingBuffer, BufferPool().get):
        with pytest.raises(ValueError, match="is larger than"):
            sized(10**400)


@pytest.mark.parametrize("odd", [None, 3, b"x" * 256, [0] * 256, memoryview(bytearray(256)), "x" * 256])
def test_only_byte_arrays_come_back_to_the_pool(odd: Any) -> None:
    pool = BufferPool()
    with pytest.raises(TypeError, match="takes bytearrays back"):
        pool.put(odd)
    assert pool.retained == 0
    assert type(pool.get(256)) is bytearray
