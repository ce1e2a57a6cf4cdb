"""Frames of a fixed length."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from netcore.codec import FixedLengthCodec
from netcore.errors import FrameError

Check = Callable[..., None]


def test_frames_are_cut_off_one_by_one(check: Check) -> None:
    check(FixedLengthCodec(3), b"abcdefghi", b"abc", b"def", b"ghi", tail=b"jk")
    check(FixedLengthCodec(1), b"abc", b"a", b"b", b"c")
    check(FixedLengthCodec(5000), b"x" * 9999, b"x" * 5000, pending=4999)


def test_what_is_pending_counts_frames_not_taken() -> None:
    decoder = FixedLengthCodec(2).decoder()
    decoder.feed(b"abcde")
    assert decoder.pending == 5
    assert decoder.next_frame() == b"ab"
    assert decoder.pending == 3
    decoder.feed(b"fgh")
    assert decoder.pending == 6
    assert list(decoder.next_frames()) == [b"cd"]
    assert list(decoder.next_frames()) == [b"ef", b"gh"]
    assert decoder.pending == 0


def test_encoding() -> None:
    codec = FixedLengthCodec(3)
    assert codec.encode(b"abc") == b"abc"
    assert codec.encode(memoryview(b"abc")) == b"abc"
    for payload in (b"", b"ab", b"abcd"):
        with pytest.raises(FrameError):
            codec.encode(payload)


@pytest.mark.parametrize("length", [0, -1])
def test_lengths_that_make_no_sense(length: int) -> None:
    with pytest.raises(ValueError, match="frame_length"):
        FixedLengthCodec(length)
