"""The ring with a list behind it: where bytes go, and that their order stays."""

from __future__ import annotations

import pytest

from netcore.buffer import BufferPool, ElasticBuffer


def test_stays_in_the_ring_up_to_the_limit() -> None:
    buffer = ElasticBuffer(1000)
    buffer.write(b"a" * 600)
    buffer.write(b"b" * 400)
    assert [len(view) for view in buffer.peek()] == [1000]


def test_goes_to_the_list_beyond_the_limit_and_stays_there_until_it_is_drained() -> None:
    buffer = ElasticBuffer(1000)
    big = b"B" * 2000
    buffer.writev([b"a" * 900, big, b"c"])
    assert [len(view) for view in buffer.peek()] == [900, 2000, 1]
    assert buffer.peek()[1].obj is big
    assert buffer.read(900) == b"a" * 900
    buffer.write(b"d")
    assert [bytes(view) for view in buffer.peek()] == [big, b"cd"]
    assert buffer.read() == big + b"cd"
    buffer.writev([b"e", b"f"])
    assert [bytes(view) for view in buffer.peek()] == [b"ef"]


@pytest.mark.parametrize("n", [0, 1, 4, 5, 6, 8, 9, 10, 100, -1])
def test_operations_across_the_border(n: int) -> None:
    content = b"ring-list"
    taken = content if n < 0 else content[:n]

    def make() -> ElasticBuffer:
        buffer = ElasticBuffer(5)
        buffer.writev([b"ring-", b"list"])
        return buffer

    assert b"".join(make().peek(n)) == taken
    buffer = make()
    assert buffer.read(n) == taken
    assert buffer.read() == content[len(taken) :]
    buffer = make()
    assert buffer.discard(n) == len(taken)
    assert buffer.read() == content[len(taken) :]
    if n >= 0:
        buffer, target = make(), bytearray(n)
        assert buffer.read_into(target) == len(taken)
        assert target[: len(taken)] == taken
        assert buffer.buffered == 9 - len(taken)


def test_limit_zero_is_a_list() -> None:
    buffer = ElasticBuffer(0)
    chunk = b"x" * 5000
    buffer.write(chunk)
    assert buffer.peek()[0].obj is chunk


def test_negative_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        ElasticBuffer(-1)


def test_an_empty_one_gives_its_storage_back() -> None:
    pool = BufferPool(debug=True)
    buffer = ElasticBuffer(1024, pool)
    for empty in (buffer.read, buffer.discard, buffer.reset, buffer.release):
        buffer.writev([b"x" * 1024, b"y" * 1024])
        assert pool.retained == 0
        empty()
        assert buffer.is_empty
        assert pool.retained == 1024
