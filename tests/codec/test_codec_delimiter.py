"""Delimiters: several of several bytes, limits, and what is dropped."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from netcore.codec import Decoder, DelimiterCodec
from netcore.errors import FrameError, TooLongFrameError

pytestmark = pytest.mark.usefixtures("search")

Check = Callable[..., None]
Take = Callable[[Decoder], list[object]]
TOO_LONG = TooLongFrameError


def test_lines_by_their_delimiters(check: Check) -> None:
    stripped = DelimiterCodec(8192, b"\r\n", b"\n")
    check(stripped, b"TestLine\r\ng\r\n", b"TestLine", b"g", tail=b"Test")
    kept = DelimiterCodec(8192, b"\r\n", b"\n", strip_delimiter=False)
    check(kept, b"TestLine\r\ng\n", b"TestLine\r\n", b"g\n", tail=b"Test\r")


def test_nul(check: Check) -> None:
    check(DelimiterCodec(8, b"\0"), b"abc\0\0ABCDEFGH\0", b"abc", b"", b"ABCDEFGH", tail=b"ABCDEFGH")


def test_several_bytes(check: Check) -> None:
    check(DelimiterCodec(8, b"--$$--"), b"a--b--$$--c--$$-$--$$--", b"a--b", b"c--$$-$", tail=b"d--$$-")


def test_an_overlap_counts_from_its_beginning(check: Check) -> None:
    check(DelimiterCodec(8, b"aba"), b"xababa", b"x", pending=2)
    check(DelimiterCodec(8, b"aab"), b"xaaaab-aab", b"xaa", b"-", tail=b"aa")


def test_the_delimiter_that_gives_the_shortest_frame_wins(check: Check) -> None:
    check(DelimiterCodec(8, b"\n", b"\r\n"), b"one\r\ntwo\n", b"one", b"two")
    check(DelimiterCodec(8, b";", b"<>", b"end"), b"a<>bend;c;<d>", b"a", b"b", b"", b"c", pending=3)


def test_of_two_that_begin_together_the_shorter_wins(check: Check) -> None:
    for delimiters in ((b";", b";;"), (b";;", b";")):
        check(DelimiterCodec(8, *delimiters), b"a;;b;", b"a", b"", b"b", tail=b"c")


def test_a_delimiter_within_another_waits_for_it(check: Check, take: Take) -> None:
    codec = DelimiterCodec(8, b"abc", b"b")
    check(codec, b"xabcyb", b"x", b"y")
    check(codec, b"xabd-b", b"xa", b"d-")
    check(codec, b"xab", pending=3)
    decoder = codec.decoder()
    decoder.feed(b"b-b")
    assert take(decoder) == [b"", b"-"]  # what cannot be the inside of the other one does not wait


@pytest.mark.parametrize("fail_fast", [False, True])
def test_a_frame_too_long_is_reported_once(check: Check, fail_fast: bool) -> None:
    one = DelimiterCodec(1, b"\0", fail_fast=fail_fast)
    check(one, b"\1\2\0A\0", TOO_LONG, b"A", tail=b"B")
    several = DelimiterCodec(5, b"<end>", b"|", fail_fast=fail_fast)
    check(several, b"123456<end>12345<end>1234567890|1|", TOO_LONG, b"12345", TOO_LONG, b"1", tail=b"1<")
    check(several, b"12345<en|12345<end>", TOO_LONG, b"12345", tail=b"12345<end")


def test_failing_fast_and_slow(take: Take) -> None:
    for fail_fast in (True, False):
        decoder = DelimiterCodec(1, b"\0", fail_fast=fail_fast).decoder()
        for _ in range(2):
            decoder.feed(b"\1\2")
            assert take(decoder) == ([TOO_LONG] if fail_fast else [])
            decoder.feed(b"\0A\0")
            assert take(decoder) == ([b"A"] if fail_fast else [TOO_LONG, b"A"])


def test_failing_fast_waits_while_a_delimiter_may_be_coming(take: Take) -> None:
    decoder = DelimiterCodec(3, b"<end>").decoder()
    decoder.feed(b"abc<en")
    assert take(decoder) == []
    decoder.feed(b"c")
    assert take(decoder) == [TOO_LONG]
    decoder = DelimiterCodec(3, b"<end>").decoder()
    decoder.feed(b"abcd")
    assert take(decoder) == [TOO_LONG]


def test_a_delimiter_is_found_when_it_is_split_while_discarding(take: Take) -> None:
    decoder = DelimiterCodec(3, b"<end>").decoder()
    for piece in (b"abcdefg<e", b"n", b"d>", b"ok<end>"):
        decoder.feed(piece)
    assert take(decoder) == [TOO_LONG, b"ok"]
    decoder.feed(b"abcdefg<e")
    assert take(decoder) == [TOO_LONG]
    assert decoder.pending < 5
    decoder.feed(b"nd>ok<end>")
    assert take(decoder) == [b"ok"]


def test_encoding() -> None:
    codec = DelimiterCodec(4, b"<>", b"|")
    assert codec.encode(b"abc") == b"abc<>"
    assert codec.encode(bytearray(b"longer than is accepted")) == b"longer than is accepted<>"
    assert DelimiterCodec(4, b"<>", b"|", strip_delimiter=False).encode(b"a|") == b"a|"
    for payload in (b"a|b", b"a<>", b"|"):
        with pytest.raises(FrameError):
            codec.encode(payload)
    with pytest.raises(FrameError):
        DelimiterCodec(4, b"aab").encode(b"x" + b"aab"[:2] + b"b")
    with pytest.raises(FrameError):
        DelimiterCodec(4, b"aa").encode(b"xa")  # its own end and the first byte of the delimiter make one


@pytest.mark.parametrize("arguments", [(0, b"\n"), (-1, b"\n"), (4,), (4, b""), (4, b"\n", b"")])
def test_arguments_that_make_no_sense(arguments: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"max_length|delimiter"):
        DelimiterCodec(*arguments)
