"""Linear time, shown by counting the bytes that are looked at and copied, and what is held meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from netcore.codec import Codec, Decoder, DelimiterCodec, FixedLengthCodec, LengthFieldCodec, LineCodec
from netcore.codec.batch import BatchDecoder
from netcore.codec.delimiter import DelimiterDecoder
from netcore.codec.delimiters import Delimiters
from netcore.codec.length_field import LengthFieldDecoder
from netcore.errors import FrameError

pytestmark = pytest.mark.usefixtures("search")

SIZE = 20_000


class Work:
    """Counts bytes: searched, put into batches, and held again."""

    def __init__(self) -> None:
        self.bytes = 0
        self.calls = 0

    def add(self, size: int) -> None:
        self.bytes += size
        self.calls += 1


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    work = Work()
    search, begun = Delimiters.search, Delimiters.begun
    load, take_frames, judge = BatchDecoder._load, BatchDecoder._take_frames, LengthFieldDecoder.judge

    def counting_search(self: Delimiters, data: bytes, at: int) -> tuple[int, int] | None:
        span = search(self, data, at)
        work.add((len(data) if span is None else span[1]) - at)
        return span

    def counting_begun(self: Delimiters, data: bytes, lo: int, hi: int) -> bool:
        work.add(len(self.shortest_first) * self.longest)
        return begun(self, data, lo, hi)

    def counting_load(self: BatchDecoder) -> bool:
        before = len(self._held)
        loaded = load(self)
        work.add(len(self._batch) if loaded else len(self._held) - before)
        return loaded

    def counting_take_frames(self: BatchDecoder, batch: bytes, at: int) -> bool:
        found = take_frames(self, batch, at)
        if found or not isinstance(self, DelimiterDecoder):
            work.add(self.at - at + 8)
        elif self._search is not None:  # the native search has gone up to the end of the bad frame
            span = search(self._delimiters, batch, at)
            work.add((len(batch) if span is None else span[1]) - at)
        return found

    def counting_judge(self: LengthFieldDecoder, batch: bytes) -> bool:
        work.add(8)
        return judge(self, batch)

    monkeypatch.setattr(Delimiters, "search", counting_search)
    monkeypatch.setattr(Delimiters, "begun", counting_begun)
    monkeypatch.setattr(BatchDecoder, "_load", counting_load)
    monkeypatch.setattr(BatchDecoder, "_take_frames", counting_take_frames)
    monkeypatch.setattr(LengthFieldDecoder, "judge", counting_judge)
    return work


CASES: dict[str, tuple[Callable[[], Codec], Callable[[int], bytes]]] = {
    "no line end": (lambda: LineCodec(10**6), lambda n: b"x" * n),
    "only line ends": (lambda: LineCodec(100), lambda n: b"\n" * n),
    "only CR": (lambda: LineCodec(100), lambda n: b"\r" * n),
    "lines too long": (lambda: LineCodec(3), lambda n: b"wxyz\n" * (n // 5)),
    "one line too long": (lambda: LineCodec(3, fail_fast=True), lambda n: b"x" * n),
    "long lines": (lambda: LineCodec(5000), lambda n: (b"x" * 4999 + b"\r\n") * (n // 5001)),
    "begun delimiters": (lambda: DelimiterCodec(10**6, b"aaab"), lambda n: b"a" * n),
    "begun delimiters, too long": (lambda: DelimiterCodec(50, b"aaab"), lambda n: b"a" * n),
    "several": (lambda: DelimiterCodec(10**6, b"aaab", b"ac", b"aad"), lambda n: b"aaaac" * (n // 5)),
    "nested": (lambda: DelimiterCodec(10**6, b"abc", b"b"), lambda n: b"ab" * (n // 2)),
    "empty frames": (lambda: LengthFieldCodec(64, 0, 1), lambda n: bytes(n)),
    "a big frame": (lambda: LengthFieldCodec(1 << 30), lambda n: n.to_bytes(4, "big") + bytes(n)),
    "a huge frame too long": (lambda: LengthFieldCodec(64, 0, 8), lambda n: b"\x7f" * n),
    "corrupt lengths": (lambda: LengthFieldCodec(64, 0, 8), lambda n: b"\xff" * n),
    "too short lengths": (lambda: LengthFieldCodec(64, 0, 1, -1), lambda n: bytes(n)),
    "nothing to strip": (lambda: LengthFieldCodec(64, 0, 1, 0, 2), lambda n: bytes(n)),
    "fixed": (lambda: FixedLengthCodec(7000), lambda n: bytes(n)),
}


def run(codec: Codec, data: bytes, step: Callable[[], int]) -> int:
    """Decodes it all; returns the number of feeds and results."""
    decoder = codec.decoder()
    events = at = 0
    while at < len(data):
        size = step()
        decoder.feed(data[at : at + size])
        at += size
        events += 1 + count(decoder)
    return events


def count(decoder: Decoder) -> int:
    results = 0
    while True:
        try:
            if decoder.next_frame() is None:
                return results
        except FrameError:
            pass
        results += 1


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("pieces", ["bytes", "random", "reads", "whole"])
def test_work_is_proportional_to_what_is_fed(work: Work, name: str, pieces: str) -> None:
    make, data = CASES[name]
    rng = random.Random(1)
    steps: dict[str, Callable[[], int]] = {
        "bytes": lambda: 1,
        "random": lambda: rng.choice((1, 2, 3, 10, 1000)),
        "reads": lambda: 4096,
        "whole": lambda: SIZE + 100,
    }
    codec = make()
    events = run(codec, data(SIZE), steps[pieces])
    assert work.bytes <= 30 * SIZE  # quadratic would be thousands of times the size
    assert work.calls <= 10 * events + 10


def test_tiny_pieces_that_nobody_asks_for(work: Work) -> None:
    decoder = LineCodec(100).decoder()
    for _ in range(SIZE):
        decoder.feed(b"\n")
    assert count(decoder) == SIZE
    assert work.bytes <= 10 * SIZE
