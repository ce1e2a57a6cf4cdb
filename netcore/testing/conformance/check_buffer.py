"""The conformance check for byte buffers."""

from __future__ import annotations

import random
from array import array
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from netcore.buffer import ByteBuffer

__all__ = ["check_buffer"]

# Longer than any storage a buffer is likely to start with, and not periodic in a power of two.
_TEXT: Final = bytes(i % 251 for i in range(10_007))
_STEPS: Final = 1000


def check_buffer(factory: Callable[[], ByteBuffer]) -> None:
    """Check that what ``factory`` makes keeps the contract of ``ByteBuffer``.

    Args:
        factory: Called without arguments, any number of times; returns a new, empty buffer.

    Raises:
        AssertionError: It does not; the message is a sentence that says what is wrong.
    """
    for rule in _RULES:
        try:
            rule(factory())
        except AssertionError:
            raise
        except Exception as error:
            title = rule.__name__.strip("_").replace("_", " ")
            raise AssertionError(f'while checking "{title}", the buffer raised {error!r}.') from error


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise AssertionError(sentence)


def _expect(buffer: ByteBuffer, content: bytes, when: str) -> None:
    size = len(content)
    got = buffer.buffered
    _require(got == size, f"buffered is {got} instead of {size} {when}.")
    _require(buffer.is_empty == (not content), f"is_empty is {buffer.is_empty} with {size} bytes {when}.")
    _require(_shown(buffer) == content, f"peek() does not show the bytes held, in order, {when}.")
    _require(buffer.buffered == size, f"peek() changed the number of bytes held {when}.")


def _shown(buffer: ByteBuffer) -> bytes:
    """All that is held; no view of it stays alive, be the collector of the interpreter ever so late."""
    views = buffer.peek()
    content = b"".join(views)
    _release(views)
    return content


def _release(views: Iterable[memoryview]) -> None:
    for view in views:
        view.release()


def _starts_empty(buffer: ByteBuffer) -> None:
    _expect(buffer, b"", "in a new buffer")
    _require(buffer.peek() == [], "peek() of an empty buffer is not an empty list.")
    _require(buffer.read() == b"", "read() of an empty buffer is not b''.")
    _require(buffer.discard(1) == 0, "discard(1) of an empty buffer does not return 0.")
    _require(buffer.read_into(bytearray(1)) == 0, "read_into() of an empty buffer does not return 0.")
    _require(buffer.write(b"") == 0, "write(b'') does not return 0.")
    _expect(buffer, b"", "after writing nothing")


def _write_appends(buffer: ByteBuffer) -> None:
    _require(buffer.write(b"one") == 3, "write() does not return the number of bytes written.")
    _require(buffer.writev([b"two", b"", b"three"]) == 8, "writev() does not return the bytes written.")
    _expect(buffer, b"onetwothree", "after write() and writev()")
    _require(buffer.write(_TEXT) == len(_TEXT), "write() of 10 kB does not take all of it.")
    _expect(buffer, b"onetwothree" + _TEXT, "after a long write")


def _sizes_are_bytes_whatever_the_item_size(buffer: ByteBuffer) -> None:
    items = array("H", [1, 2, 3])
    _require(buffer.write(items) == 6, "write() of three two-byte items does not return 6.")
    _expect(buffer, items.tobytes(), "after writing an array of two-byte items")
    target = array("H", [0, 0])
    _require(buffer.read_into(target) == 4, "read_into() of two two-byte items does not return 4.")
    _require(target == items[:2], "read_into() an array of two-byte items gives other bytes.")


def _mutable_data_is_copied(buffer: ByteBuffer) -> None:
    for size in (3, 5000):
        data = bytearray(_TEXT[:size])
        buffer.write(data)
        buffer.write(memoryview(data))
        data[:] = bytes(size)
        _require(
            buffer.read() == _TEXT[:size] * 2,
            "changing a bytearray after it was written changes what is buffered.",
        )


def _read_consumes_in_order(buffer: ByteBuffer) -> None:
    buffer.write(_TEXT)
    _require(buffer.read(0) == b"", "read(0) is not b''.")
    data = buffer.read(10)
    _require(type(data) is bytes, f"read() returns {type(data).__name__} instead of bytes.")
    _require(data == _TEXT[:10], "read(10) does not return the first ten bytes.")
    _expect(buffer, _TEXT[10:], "after read(10)")
    _require(buffer.read(len(_TEXT)) == _TEXT[10:], "read() of more than is held does not return all.")
    buffer.write(_TEXT)
    _require(buffer.read(-1) == _TEXT, "read(-1) does not return all.")
    _expect(buffer, b"", "after reading all")


def _read_into_fills_the_target(buffer: ByteBuffer) -> None:
    buffer.write(_TEXT)
    target = bytearray(10)
    _require(buffer.read_into(target) == 10, "read_into() does not fill a target smaller than its bytes.")
    _require(target == _TEXT[:10], "read_into() does not give the first bytes.")
    _expect(buffer, _TEXT[10:], "after read_into()")
    target = bytearray(b"~" * len(_TEXT))
    rest = len(_TEXT) - 10
    _require(buffer.read_into(target) == rest, "read_into() a larger target does not return what was held.")
    _require(target == _TEXT[10:] + b"~" * 10, "read_into() a larger target does not leave its end alone.")


def _discard_removes_from_the_front(buffer: ByteBuffer) -> None:
    buffer.write(_TEXT)
    _require(buffer.discard(0) == 0, "discard(0) does not return 0.")
    _require(buffer.discard(7) == 7, "discard(7) does not return 7.")
    _expect(buffer, _TEXT[7:], "after discard(7)")
    _require(
        buffer.discard(1 << 40) == len(_TEXT) - 7, "discard() of more than is held is not what was held."
    )
    buffer.write(b"abc")
    _require(buffer.discard(-1) == 3, "discard(-1) does not remove all.")
    _expect(buffer, b"", "after discarding all")


def _peek_gives_read_only_views(buffer: ByteBuffer) -> None:
    buffer.write(_TEXT)
    for n in (0, 1, 5000, len(_TEXT), len(_TEXT) + 1):
        views = buffer.peek(n)
        _require(b"".join(views) == _TEXT[:n], f"peek({n}) does not show the first {n} bytes.")
        _require(all(views), f"peek({n}) returns a view of no bytes.")
        _require(all(view.readonly for view in views), "peek() returns a view that can be written to.")
        _release(views)


def _live_views_never_change(buffer: ByteBuffer) -> None:
    rng = random.Random(0)
    kept: list[tuple[memoryview, bytes]] = []
    for step in range(_STEPS):
        action = rng.choice((_add, _add, _take, _drop, _empty))
        when = f'in step {step} of a random sequence, by "{action.__name__.strip("_")}"'
        content = _shown(buffer)
        kept += [(view, bytes(view)) for view in buffer.peek(rng.randrange(3000))]
        refused = False
        try:
            action(buffer, rng)
        except BufferError:
            refused = True
        _require(all(view == seen for view, seen in kept), f"the bytes under a live view changed {when}.")
        if refused:
            _expect(buffer, content, f"after a BufferError {when}")
        if refused or rng.random() < 0.1:
            _release(view for view, _ in kept)
            kept.clear()


def _add(buffer: ByteBuffer, rng: random.Random) -> None:
    buffer.write(rng.randbytes(rng.choice((1, 40, 700, 3000))))


def _take(buffer: ByteBuffer, rng: random.Random) -> None:
    buffer.read(rng.randrange(2000))


def _drop(buffer: ByteBuffer, rng: random.Random) -> None:
    buffer.discard(rng.randrange(2000))


def _empty(buffer: ByteBuffer, rng: random.Random) -> None:
    rng.choice((buffer.reset, buffer.release))()


class _ShortFile:
    """Reads and writes a few bytes at a time, and fails or blocks after ``budget`` bytes."""

    def __init__(self, content: bytes, budget: int, error: OSError | None) -> None:
        self.content = content
        self.budget = budget
        self.error = error

    def _portion(self) -> int | None:
        if not self.budget and self.error is not None:
            raise self.error
        return min(700, self.budget) or None

    def read(self, n: int, /) -> bytes | None:
        portion = self._portion()
        if portion is None:
            return None
        data, self.content = self.content[: min(n, portion)], self.content[min(n, portion) :]
        self.budget -= len(data)
        return data

    def write(self, data: memoryview, /) -> int | None:
        portion = self._portion()
        if portion is None:
            return None
        self.content += data[:portion]
        self.budget -= len(data[:portion])
        return len(data[:portion])


def _write_to_consumes_what_the_file_takes(buffer: ByteBuffer) -> None:
    buffer.write(_TEXT)
    blocking = _ShortFile(b"", 3000, None)
    _require(buffer.write_to(blocking) == 3000, "write_to() a file that blocks does not return what it took.")
    _require(blocking.content == _TEXT[:3000], "write_to() gives a file that writes short the wrong bytes.")
    _expect(buffer, _TEXT[3000:], "after write_to() a file that blocks")
    failing = _ShortFile(b"", 3000, OSError("disk full"))
    try:
        buffer.write_to(failing)
    except OSError as error:
        _require(error is failing.error, "write_to() does not pass on the file's own exception.")
    else:
        raise AssertionError("write_to() hides the exception of a failing file.")
    _expect(buffer, _TEXT[6000:], "after write_to() a failing file")
    rest = len(_TEXT) - 6000
    _require(buffer.write_to(_ShortFile(b"", rest + 1, None)) == rest, "write_to() does not write all.")
    _expect(buffer, b"", "after write_to()")


def _read_from_reads_to_the_end(buffer: ByteBuffer) -> None:
    count = buffer.read_from(_ShortFile(_TEXT, 1 << 30, None))
    _require(count == len(_TEXT), "read_from() does not read a file with short reads to its end.")
    _expect(buffer, _TEXT, "after read_from()")
    count = buffer.read_from(_ShortFile(_TEXT, 3000, None))
    _require(count == 3000, "read_from() a file that blocks does not return what was read.")
    failing = _ShortFile(_TEXT, 2000, OSError("bad sector"))
    try:
        buffer.read_from(failing)
    except OSError as error:
        _require(error is failing.error, "read_from() does not pass on the file's own exception.")
    else:
        raise AssertionError("read_from() hides the exception of a failing file.")
    _expect(buffer, _TEXT + _TEXT[:3000] + _TEXT[:2000], "after read_from() files that block and fail")


def _reset_and_release_empty_it(buffer: ByteBuffer) -> None:
    for name, empty in (("reset()", buffer.reset), ("release()", buffer.release)):
        buffer.write(_TEXT)
        buffer.read(100)
        empty()
        _expect(buffer, b"", f"after {name}")
        buffer.write(b"again")
        _expect(buffer, b"again", f"in a buffer used again after {name}")
        empty()
        empty()


def _random_sequences_keep_order(buffer: ByteBuffer) -> None:
    rng = random.Random(1)
    model = b""
    for step in range(_STEPS):
        when = f"in step {step} of a random sequence"
        if rng.random() < 0.5:
            data = rng.randbytes(rng.choice((0, 1, 30, 1000, 5000)))
            _require(buffer.write(data) == len(data), f"write() does not take all its bytes {when}.")
            model += data
        else:
            n = rng.choice((0, 1, 100, 2000, 10_000))
            _require(buffer.read(n) == model[:n], f"read({n}) does not return the first bytes {when}.")
            model = model[n:]
        _expect(buffer, model, when)


class _Whole:
    """A whole number, as other libraries have them."""

    def __index__(self) -> int:
        return 3


def _counts_are_whole_numbers(buffer: ByteBuffer) -> None:
    buffer.write(_TEXT)
    odd: tuple[Any, ...] = (2.0, float("nan"), Decimal(2), "2", None)
    for name, method in (("read", buffer.read), ("peek", buffer.peek), ("discard", buffer.discard)):
        for count in odd:
            try:
                method(count)
            except TypeError:
                pass
            else:
                raise AssertionError(f"{name}({count!r}) does not raise TypeError.")
            _expect(buffer, _TEXT, f"after {name}({count!r})")
    whole: Any = _Whole()
    _require(buffer.read(whole) == _TEXT[:3], "read() does not take a count that only has __index__.")


_RULES: Final[tuple[Callable[[ByteBuffer], None], ...]] = (
    _starts_empty,
    _write_appends,
    _sizes_are_bytes_whatever_the_item_size,
    _mutable_data_is_copied,
    _read_consumes_in_order,
    _read_into_fills_the_target,
    _discard_removes_from_the_front,
    _peek_gives_read_only_views,
    _write_to_consumes_what_the_file_takes,
    _read_from_reads_to_the_end,
    _reset_and_release_empty_it,
    _random_sequences_keep_order,
    _live_views_never_change,
    _counts_are_whole_numbers,
)
