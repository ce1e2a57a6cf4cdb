"""Files that write short, block, fail or misbehave."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from netcore.buffer import ByteBuffer

Make = Callable[[], ByteBuffer]
TEXT = bytes(i % 251 for i in range(50_000))


class Scripted:
    """Each call does the next thing of the script: a number of bytes, None, or an exception."""

    def __init__(self, *script: int | Exception | None, content: bytes = b"") -> None:
        self._script = iter(script)
        self._source = io.BytesIO(content)
        self.taken = b""

    def _next(self) -> int | None:
        step = next(self._script)
        if isinstance(step, Exception):
            raise step
        return step

    def read(self, n: int, /) -> bytes | None:
        step = self._next()
        return None if step is None else self._source.read(min(n, step))

    def write(self, data: memoryview, /) -> int | None:
        step = self._next()
        if step is not None:
            self.taken += data[:step]
            step = min(step, len(data))
        return step


def filled(make: Make) -> ByteBuffer:
    buffer = make()
    for start in range(0, len(TEXT), 999):
        buffer.write(TEXT[start : start + 999])
    return buffer


def test_real_files(make: Make, tmp_path: Path) -> None:
    buffer = filled(make)
    with open(tmp_path / "out", "wb") as file:
        assert buffer.write_to(file) == len(TEXT)
    assert buffer.is_empty
    with open(tmp_path / "out", "rb", buffering=0) as file:
        assert buffer.read_from(file) == len(TEXT)
    assert buffer.read() == TEXT


def test_nothing_to_do(make: Make) -> None:
    buffer = make()
    assert buffer.write_to(Scripted()) == 0
    assert buffer.read_from(io.BytesIO()) == 0
    assert buffer.is_empty


def test_short_writes_are_continued(make: Make) -> None:
    buffer = filled(make)
    file = Scripted(*[1, 2, 3, 500] * 400)
    assert buffer.write_to(file) == len(TEXT)
    assert file.taken == TEXT


@pytest.mark.parametrize("stop", [None, 0])
def test_a_file_that_takes_no_more_ends_the_transfer(make: Make, stop: int | None) -> None:
    buffer = filled(make)
    file = Scripted(100, 200, stop)
    assert buffer.write_to(file) == 300
    assert file.taken == TEXT[:300]
    assert buffer.read() == TEXT[300:]


def test_a_failing_file_has_what_it_took_and_the_buffer_the_rest(make: Make) -> None:
    buffer = filled(make)
    file = Scripted(100, 200, OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        buffer.write_to(file)
    assert file.taken == TEXT[:300]
    assert buffer.buffered == len(TEXT) - 300
    assert buffer.read() == TEXT[300:]


@pytest.mark.posix  # a pipe that is full takes a part
def test_a_full_buffered_writer_keeps_what_it_took(make: Make) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    buffer = make()
    while buffer.buffered < 1 << 20:
        buffer.write(TEXT)
    expected = b"".join(buffer.peek())
    # Its buffer is one that the pipe has room for, which from CPython 3.14 on it is not by default. It is
    # closed below: that flushes, which needs the reader's help.
    file = open(writer, "wb", buffering=1 << 13)  # noqa: SIM115
    try:
        with pytest.raises(BlockingIOError):
            buffer.write_to(file)
        received = os.read(reader, 1 << 20)
        file.flush()
        received += os.read(reader, 1 << 20)
    finally:
        file.close()
        os.close(reader)
    assert received + buffer.read() == expected


@pytest.mark.parametrize("claim", [-1, 1 << 30])
def test_a_file_that_claims_nonsense_is_noticed(make: Make, claim: int) -> None:
    class Liar:
        def write(self, data: memoryview, /) -> int:
            return claim

    buffer = filled(make)
    with pytest.raises(ValueError, match=str(claim)):
        buffer.write_to(Liar())
    assert buffer.read() == TEXT


def test_a_file_may_keep_the_views(make: Make) -> None:
    class Hoarder:
        def __init__(self) -> None:
            self.views: list[memoryview] = []

        def write(self, data: memoryview, /) -> int:
            assert data.readonly
            self.views.append(data)
            return len(data)

    buffer = filled(make)
    file = Hoarder()
    assert buffer.write_to(file) == len(TEXT)
    buffer.write(b"!" * 70_000)
    assert b"".join(file.views) == TEXT


def test_short_reads_are_continued_to_the_end(make: Make) -> None:
    buffer = make()
    file = Scripted(*[1, 700, 3, 5000] * 9, 1, content=TEXT)
    assert buffer.read_from(file) == len(TEXT)
    assert buffer.read() == TEXT


def test_a_file_that_has_nothing_now_ends_the_transfer(make: Make) -> None:
    buffer = make()
    assert buffer.read_from(Scripted(100, 200, None, content=TEXT)) == 300
    assert buffer.read() == TEXT[:300]


def test_what_was_read_before_a_failure_stays(make: Make) -> None:
    buffer = make()
    buffer.write(b"before")
    with pytest.raises(OSError, match="bad sector"):
        buffer.read_from(Scripted(100, 2000, OSError("bad sector"), content=TEXT))
    assert buffer.read() == b"before" + TEXT[:2100]


def test_a_file_whose_content_is_text_is_refused(make: Make) -> None:
    with pytest.raises(TypeError, match="bytes-like"):
        make().read_from(io.StringIO("text"))  # type: ignore[arg-type]


def test_an_empty_pipe_without_blocking(make: Make) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    buffer = make()
    with open(reader, "rb", buffering=0) as file, open(writer, "wb", buffering=0) as other:
        assert buffer.read_from(file) == 0
        other.write(b"abc")
        assert buffer.read_from(file) == 3
    assert buffer.read() == b"abc"
