"""check_buffer passes on every kind and says what is wrong with broken ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from netcore.buffer import ByteBuffer, RingBuffer
from netcore.buffer.views import is_viewed
from netcore.testing.conformance.check_buffer import check_buffer

if TYPE_CHECKING:
    from typing_extensions import Buffer


def test_passes_on_each_kind(make: Callable[[], ByteBuffer]) -> None:
    check_buffer(make)


def test_passes_where_the_interpreter_does_not_count_views(
    make: Callable[[], ByteBuffer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netcore.buffer.ring.VIEWS_ARE_COUNTED", False)
    for module in ("ring", "pool"):
        monkeypatch.setattr(f"netcore.buffer.{module}.is_viewed", lambda storage: False)
    check_buffer(make)


class Counts(RingBuffer):
    @property
    def buffered(self) -> int:
        return super().buffered + 1


class Last(RingBuffer):
    def read(self, n: int = -1) -> bytes:
        data = super().read()
        n = len(data) if n < 0 else min(n, len(data))
        super().write(data[: len(data) - n])
        return data[len(data) - n :]


class Short(RingBuffer):
    def write(self, data: Buffer) -> int:
        return super().write(memoryview(data)[:4000])


class Items(RingBuffer):
    def write(self, data: Buffer) -> int:
        super().write(data)
        return len(memoryview(data))


class Mutable(RingBuffer):
    def read(self, n: int = -1) -> bytes:
        return bytearray(super().read(n))  # type: ignore[return-value]


class Writable(RingBuffer):
    def peek(self, n: int = -1) -> list[memoryview]:
        return [memoryview(bytearray(view)) for view in super().peek(n)]


class Copies(RingBuffer):
    def peek(self, n: int = -1) -> list[memoryview]:
        return [memoryview(b""), *super().peek(n)]


class Eager(RingBuffer):
    def discard(self, n: int = -1) -> int:
        super().discard(n)
        return n


class Greedy(RingBuffer):
    def write_to(self, file: Any) -> int:
        data = self.read()
        file.write(memoryview(data))
        return len(data)


class Hushed(RingBuffer):
    def read_from(self, file: Any) -> int:
        try:
            return super().read_from(file)
        except OSError:
            return 0


class Impatient(RingBuffer):
    def read_from(self, file: Any) -> int:
        return self.write(file.read(1 << 20) or b"")


class Clingy(RingBuffer):
    def release(self) -> None:
        pass


class Reusing(RingBuffer):
    """Forgets that views look at its storage."""

    def _is_lent(self) -> bool:
        return False


class Listing:
    """Keeps references to everything, mutable or not."""

    def __init__(self) -> None:
        self.chunks: list[memoryview] = []

    @property
    def buffered(self) -> int:
        return sum(map(len, self.chunks))

    @property
    def is_empty(self) -> bool:
        return not self.chunks

    def write(self, data: Buffer) -> int:
        view = memoryview(data).cast("B") if memoryview(data).nbytes else memoryview(b"")
        if view:
            self.chunks.append(view)
        return len(view)

    def writev(self, chunks: Iterable[Buffer]) -> int:
        return sum(map(self.write, chunks))

    def read(self, n: int = -1) -> bytes:
        joined = b"".join(self.chunks)
        n = len(joined) if n < 0 else n
        self.chunks = [memoryview(joined[n:])] if n < len(joined) else []
        return joined[:n]

    def read_into(self, buffer: Buffer) -> int:
        target = memoryview(buffer).cast("B")
        data = self.read(len(target))
        target[: len(data)] = data
        return len(data)

    def discard(self, n: int = -1) -> int:
        return len(self.read(n))

    def peek(self, n: int = -1) -> list[memoryview]:
        joined = b"".join(self.chunks)
        joined = joined if n < 0 else joined[:n]
        return [memoryview(joined)] if joined else []


class Lax(RingBuffer):
    def read(self, n: int = -1) -> bytes:
        return super().read(int(n))


class Refusing(RingBuffer):
    """Raises BufferError while views may be alive, but has lost its bytes by then."""

    def write(self, data: Buffer) -> int:
        if self._unseen is not None and is_viewed(self._storage):
            self.reset()
            raise BufferError
        return super().write(data)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Counts, "buffered is 1 instead of 0 in a new buffer."),
        (Last, r"read\(10\) does not return the first ten bytes."),
        (Short, r"write\(\) of 10 kB does not take all of it."),
        (Items, "three two-byte items does not return 6"),
        (Mutable, r"read\(\) of an empty buffer is not b''|returns bytearray instead of bytes"),
        (Writable, "can be written to"),
        (Copies, "not an empty list|view of no bytes"),
        (Eager, r"discard\(1\) of an empty buffer does not return 0."),
        (Greedy, r"write_to\(\) a file that blocks does not return what it took."),
        (Hushed, r"read_from\(\) hides the exception of a failing file."),
        (Impatient, r"read_from\(\) does not read a file with short reads to its end."),
        (Clingy, r"after release\(\)."),
        (Reusing, "the bytes under a live view changed in step"),
        (Lax, r"read\(2\.0\) does not raise TypeError\."),
        (Refusing, "after a BufferError"),
        (Listing, "changing a bytearray after it was written changes what is buffered."),
        (object, 'while checking "starts empty", the buffer raised AttributeError'),
    ],
)
def test_says_what_is_wrong(broken: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as caught:
        check_buffer(broken)
    message = str(caught.value)
    assert message.endswith(".")


def test_accepts_a_buffer_that_refuses_while_views_are_alive() -> None:
    class Strict(RingBuffer):
        def _move(self, capacity: int) -> None:
            if is_viewed(self._storage):
                raise BufferError("a view is alive")
            super()._move(capacity)

        def release(self) -> None:
            if self._storage and is_viewed(self._storage):
                raise BufferError("a view is alive")
            super().release()

    check_buffer(Strict)
