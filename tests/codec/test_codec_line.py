"""Lines: LF, CR LF, limits, and what is dropped."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from netcore.codec import Decoder, LineCodec
from netcore.errors import FrameError, TooLongFrameError

pytestmark = pytest.mark.usefixtures("search")

Check = Callable[..., None]
TOO_LONG = TooLongFrameError


def test_lines_end_with_lf_or_cr_lf(check: Check) -> None:
    check(LineCodec(8192), b"first\r\nsecond\nthird", b"first", b"second", pending=5)
    check(LineCodec(8192), b"first\r\nsecond\nthird\n", b"first", b"second", b"third", tail=b"fourth")


def test_ends_can_be_kept(check: Check) -> None:
    kept = LineCodec(8192, strip_delimiter=False)
    check(kept, b"first\r\nsecond\n\r\n\n", b"first\r\n", b"second\n", b"\r\n", b"\n", tail=b"third\r")


def test_empty_lines_are_frames(check: Check) -> None:
    check(LineCodec(1), b"\n\r\n\n", b"", b"", b"", tail=b"x")


def test_one_cr_is_absorbed_and_others_stay(check: Check) -> None:
    check(LineCodec(16), b"a\r\r\nb\rc\n\r\r\n", b"a\r", b"b\rc", b"\r", tail=b"\r")


def test_the_limit_excludes_the_end(check: Check) -> None:
    check(LineCodec(3), b"abc\nabc\r\nabcd\nab\n", b"abc", b"abc", TOO_LONG, b"ab", tail=b"abc\r")
    check(LineCodec(3), b"abcd\r\nabc\r\r\n", TOO_LONG, TOO_LONG, tail=b"abc")


@pytest.mark.parametrize("fail_fast", [False, True])
def test_a_line_too_long_is_reported_once_and_decoding_goes_on(check: Check, fail_fast: bool) -> None:
    codec = LineCodec(2, fail_fast=fail_fast)
    check(codec, b"12\n345678901234\nab\n", b"12", TOO_LONG, b"ab", tail=b"c")
    check(codec, b"x" * 100 + b"\r\n" + b"y" * 100 + b"\n12\r\n", TOO_LONG, TOO_LONG, b"12", tail=b"c\r")


def test_failing_slow_waits_for_the_end(take: Callable[[Decoder], list[object]]) -> None:
    decoder = LineCodec(2).decoder()
    decoder.feed(b"345678901234")
    assert take(decoder) == []
    assert decoder.pending <= 1
    decoder.feed(b"56789\r")
    assert take(decoder) == []
    decoder.feed(b"\nab\n")
    assert take(decoder) == [TOO_LONG, b"ab"]


def test_failing_fast_reports_what_cannot_be_right_any_more(take: Callable[[Decoder], list[object]]) -> None:
    decoder = LineCodec(2, fail_fast=True).decoder()
    decoder.feed(b"34\r")
    assert take(decoder) == []  # LF may follow
    decoder.feed(b"5")
    assert take(decoder) == [TOO_LONG]
    decoder.feed(b"6789\nab\n")
    assert take(decoder) == [b"ab"]


def test_what_is_fed_need_not_be_bytes(take: Callable[[Decoder], list[object]]) -> None:
    decoder = LineCodec(10).decoder()
    data = bytearray(b"one\ntwo")
    decoder.feed(data)
    data[:] = b"~" * 7
    decoder.feed(memoryview(b"-x-x-\n")[::2])
    decoder.feed(memoryview(b"\n"))
    decoder.feed(b"")
    assert take(decoder) == [b"one", b"two---"]


def test_encoding() -> None:
    codec = LineCodec(3)
    assert codec.encode(b"abc") == b"abc\n"
    assert codec.encode(b"") == b"\n"
    assert codec.encode(memoryview(b"\rlonger than is accepted")) == b"\rlonger than is accepted\n"
    for payload in (b"a\nb", b"a\n", b"a\r\n", b"a\r"):
        with pytest.raises(FrameError):
            codec.encode(payload)


def test_encoding_where_ends_are_kept() -> None:
    codec = LineCodec(3, strip_delimiter=False)
    assert codec.encode(b"abc") == codec.encode(b"abc\n") == b"abc\n"
    assert codec.encode(b"abc\r\n") == b"abc\r\n"
    for payload in (b"a\nb", b"a\nb\n", b"a\r"):
        with pytest.raises(FrameError):
            codec.encode(payload)


@pytest.mark.parametrize("length", [0, -1])
def test_limits_that_make_no_sense(length: int) -> None:
    with pytest.raises(ValueError, match="max_length"):
        LineCodec(length)
