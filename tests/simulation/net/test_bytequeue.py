"""The queue of bytes behind every simulated stream, against bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netcore.testing.simulation.net.bytequeue import ByteQueue


@given(st.lists(st.one_of(st.binary(max_size=9), st.integers(0, 12), st.just(None))))
def test_bytes_come_out_as_they_went_in(acts: list[bytes | int | None]) -> None:
    queue, model = ByteQueue(), b""
    for act in acts:
        if act is None:
            queue.clear()
            model = b""
        elif isinstance(act, bytes):
            queue.put(act)
            model += act
        else:
            assert queue.peek(act) == model[:act]
            assert queue.take(act) == model[:act]
            model = model[act:]
        assert queue.size == len(model)


def test_a_chunk_that_is_taken_whole_is_not_copied() -> None:
    queue, chunk = ByteQueue(), bytes(1000)
    queue.put(chunk)
    assert queue.take(65536) is chunk
