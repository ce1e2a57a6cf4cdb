"""Random sequences of operations on each kind of buffer, against plain bytes as the model."""

from __future__ import annotations

import io

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from netcore.buffer import BufferPool, ElasticBuffer, ElasticRingBuffer, LinkedListBuffer, RingBuffer

AnyBuffer = RingBuffer | ElasticRingBuffer | LinkedListBuffer | ElasticBuffer

# Sizes around the ones that matter: the first ring (1024), gathering (1024), doubling's end (4096) and
# the largest block (16384), with plenty of tiny ones.
SIZES = st.one_of(st.integers(0, 40), st.sampled_from((500, 1000, 1023, 1024, 1025, 3000, 4097, 16384)))
COUNTS = st.one_of(SIZES, st.just(-1))


class Stingy:
    """A file that reads and writes at most ``step`` bytes at a time, and ends after ``budget``."""

    def __init__(self, content: bytes, step: int, budget: int) -> None:
        self._source = io.BytesIO(content)
        self.taken = b""
        self._step = step
        self._budget = budget

    def read(self, n: int, /) -> bytes | None:
        data = self._source.read(min(n, self._step, self._budget))
        self._budget -= len(data)
        return data or None

    def write(self, data: memoryview, /) -> int | None:
        n = min(len(data), self._step, self._budget)
        self._budget -= n
        self.taken += data[:n]
        return n or None


class Machine(RuleBasedStateMachine):
    pool: BufferPool

    def make(self) -> AnyBuffer:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.buffer = self.make()
        self.model = b""
        self.written = 0
        self.views: list[tuple[memoryview | bytes, bytes]] = []

    def fresh(self, size: int) -> bytes:
        # A running number in each four bytes: lost, doubled and swapped bytes all show.
        start = self.written
        self.written += size
        first = start // 4
        numbers = b"".join(i.to_bytes(4, "big") for i in range(first, first + size // 4 + 2))
        return numbers[start % 4 :][:size]

    def take(self, n: int) -> bytes:
        n = len(self.model) if n < 0 else n
        taken, self.model = self.model[:n], self.model[n:]
        return taken

    @rule(size=SIZES)
    def write_bytes(self, size: int) -> None:
        data = self.fresh(size)
        assert self.buffer.write(data) == size
        self.model += data

    @rule(size=SIZES, view=st.booleans())
    def write_mutable(self, size: int, view: bool) -> None:
        data = self.fresh(size)
        mutable = bytearray(data)
        assert self.buffer.write(memoryview(mutable) if view else mutable) == size
        mutable[:] = b"!" * size
        self.model += data

    @rule(size=SIZES, start=st.integers(0, 3))
    def write_view_of_bytes(self, size: int, start: int) -> None:
        data = self.fresh(size)
        assert self.buffer.write(memoryview(b"head" + data)[4:]) == size
        self.model += data

    @rule(sizes=st.lists(SIZES, max_size=4))
    def writev(self, sizes: list[int]) -> None:
        chunks = [self.fresh(size) for size in sizes]
        assert self.buffer.writev(chunks) == sum(sizes)
        self.model += b"".join(chunks)

    @rule(n=COUNTS)
    def write_itself(self, n: int) -> None:
        if len(self.model) > 20_000:
            return
        views = self.buffer.peek(n)
        data = b"".join(views)
        assert self.buffer.writev(views) == len(data)
        self.model += data

    @rule(n=COUNTS)
    def read(self, n: int) -> None:
        assert self.buffer.read(n) == self.take(n)

    @rule(size=SIZES)
    def read_into(self, size: int) -> None:
        target = bytearray(b"~" * size)
        expected = self.take(size)
        assert self.buffer.read_into(target) == len(expected)
        assert target == expected + b"~" * (size - len(expected))

    @rule(n=COUNTS)
    def discard(self, n: int) -> None:
        assert self.buffer.discard(n) == len(self.take(n))

    @rule(n=COUNTS, keep=st.booleans())
    def peek(self, n: int, keep: bool) -> None:
        views = self.buffer.peek(n)
        assert b"".join(views) == (self.model if n < 0 else self.model[:n])
        assert all(view.readonly and len(view) for view in views)
        if keep:
            # A slice keeps the storage alive as the view itself does.
            self.views += [(view[1:], bytes(view[1:])) for view in views]

    @precondition(lambda self: self.views)
    @rule()
    def forget_views(self) -> None:
        self.views.clear()

    @rule(step=st.sampled_from((1, 700, 100_000)), budget=SIZES)
    def write_to(self, step: int, budget: int) -> None:
        file = Stingy(b"", max(step, budget // 10), budget)
        expected = self.take(budget)
        assert self.buffer.write_to(file) == len(expected)
        assert file.taken == expected

    @rule(step=st.sampled_from((1, 700, 100_000)), size=SIZES, budget=SIZES)
    def read_from(self, step: int, size: int, budget: int) -> None:
        data = self.fresh(size)
        file = Stingy(data, max(step, budget // 10), budget)
        expected = data[:budget]
        assert self.buffer.read_from(file) == len(expected)
        self.model += expected

    @rule()
    def reset(self) -> None:
        self.buffer.reset()
        self.model = b""

    @rule()
    def release(self) -> None:
        self.buffer.release()
        self.model = b""

    @invariant()
    def size_is_right(self) -> None:
        assert self.buffer.buffered == len(self.model)
        assert self.buffer.is_empty == (not self.model)

    @invariant()
    def views_are_untouched(self) -> None:
        for view, content in self.views:
            assert view == content

    def teardown(self) -> None:
        assert self.buffer.read() == self.model
        self.views_are_untouched()


class RingMachine(Machine):
    def make(self) -> AnyBuffer:
        return RingBuffer(64)

    @invariant()
    def capacity_adds_up(self) -> None:
        assert isinstance(self.buffer, RingBuffer)
        assert self.buffer.capacity == self.buffer.buffered + self.buffer.available
        assert self.buffer.is_full == (self.buffer.buffered > 0 and self.buffer.available == 0)


class ElasticRingMachine(RingMachine):
    def make(self) -> AnyBuffer:
        self.pool = BufferPool(debug=True)
        return ElasticRingBuffer(self.pool)

    @invariant()
    def nothing_is_held_when_empty(self) -> None:
        assert isinstance(self.buffer, ElasticRingBuffer)
        assert self.buffer.capacity > 0 or self.buffer.is_empty
        assert self.buffer.capacity == 0 or not self.buffer.is_empty

    @rule(size=st.sampled_from((1, 1024, 4096)))
    def neighbour_uses_the_pool(self, size: int) -> None:
        # Storage that has come back while one of our views was alive would be overwritten here.
        other = self.pool.get(size)
        other[:] = b"?" * len(other)
        self.pool.put(other)


class LinkedListMachine(Machine):
    def make(self) -> AnyBuffer:
        return LinkedListBuffer()

    @rule(limit=COUNTS, keep=st.booleans(), back=st.integers(0, 3000))
    def pop_chunks(self, limit: int, keep: bool, back: int) -> None:
        assert isinstance(self.buffer, LinkedListBuffer)
        chunks = self.buffer.pop_chunks(limit)
        assert all(chunks)
        assert b"".join(chunks) == self.take(limit)
        if keep:
            self.views += [(chunk, bytes(chunk)) for chunk in chunks]
        if chunks and back:
            # What a partial send does: part of the last chunk comes back.
            rest = memoryview(chunks[-1])[-back:]
            self.buffer.prepend(rest)
            self.model = bytes(rest) + self.model

    @rule(size=SIZES, mutable=st.booleans())
    def prepend(self, size: int, mutable: bool) -> None:
        assert isinstance(self.buffer, LinkedListBuffer)
        data = self.fresh(size)
        if mutable:
            source = bytearray(data)
            self.buffer.prepend(memoryview(source))
            source[:] = bytes(size)
        else:
            self.buffer.prepend(data)
        self.model = data + self.model


class ElasticMachine(Machine):
    def make(self) -> AnyBuffer:
        return ElasticBuffer(2000, BufferPool(debug=True))


LIMITS = settings(stateful_step_count=50)

TestRing = RingMachine.TestCase
TestElasticRing = ElasticRingMachine.TestCase
TestLinkedList = LinkedListMachine.TestCase
TestElastic = ElasticMachine.TestCase
for case in (TestRing, TestElasticRing, TestLinkedList, TestElastic):
    case.settings = LIMITS
del case
