"""The kinds of buffer, for tests that hold for each of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from netcore.buffer import (
    BufferPool,
    ByteBuffer,
    ElasticBuffer,
    ElasticRingBuffer,
    LinkedListBuffer,
    RingBuffer,
)

KINDS: dict[str, Callable[[], ByteBuffer]] = {
    "ring": RingBuffer,
    "small-ring": lambda: RingBuffer(8),
    "elastic-ring": ElasticRingBuffer,
    "pooled-ring": lambda: ElasticRingBuffer(BufferPool(debug=True)),
    "linked-list": LinkedListBuffer,
    "elastic": lambda: ElasticBuffer(1500),
    "elastic-only-list": lambda: ElasticBuffer(0),
    "pooled-elastic": lambda: ElasticBuffer(1 << 16, BufferPool(debug=True)),
}


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def make(request: pytest.FixtureRequest) -> Callable[[], ByteBuffer]:
    factory: Callable[[], ByteBuffer] = request.param
    return factory
