"""Length fields: the layouts there are, limits, corrupt lengths, and what is dropped."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from netcore.codec import Decoder, LengthFieldCodec
from netcore.errors import CorruptedFrameError, TooLongFrameError

pytestmark = pytest.mark.usefixtures("search")

Check = Callable[..., None]
Take = Callable[[Decoder], list[object]]
TOO_LONG, CORRUPTED = TooLongFrameError, CorruptedFrameError
HELLO = b"HELLO, WORLD"


@pytest.mark.parametrize(
    ("arguments", "data", "frame"),
    [
        ((0, 2, 0, 0), b"\x00\x0c" + HELLO, b"\x00\x0c" + HELLO),
        ((0, 2, 0, 2), b"\x00\x0c" + HELLO, HELLO),
        ((0, 2, -2, 0), b"\x00\x0e" + HELLO, b"\x00\x0e" + HELLO),
        ((2, 3, 0, 0), b"\xca\xfe\x00\x00\x0c" + HELLO, b"\xca\xfe\x00\x00\x0c" + HELLO),
        ((0, 3, 2, 0), b"\x00\x00\x0c\xca\xfe" + HELLO, b"\x00\x00\x0c\xca\xfe" + HELLO),
        ((1, 2, 1, 3), b"\xca\x00\x0c\xfe" + HELLO, b"\xfe" + HELLO),
        ((1, 2, -3, 3), b"\xca\x00\x10\xfe" + HELLO, b"\xfe" + HELLO),
    ],
    ids=["kept", "stripped", "whole", "header-before", "header-after", "both", "both-whole"],
)
def test_layouts(check: Check, arguments: tuple[int, ...], data: bytes, frame: bytes) -> None:
    check(LengthFieldCodec(64, *arguments), data * 3, frame, frame, frame, tail=data[:-1])


@pytest.mark.parametrize("width", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("order", ["big", "little"])
def test_widths_and_orders(check: Check, width: int, order: str) -> None:
    codec = LengthFieldCodec(1 << 20, 0, width, 0, width, order)
    payloads = [b"", b"a", b"b" * 200, b"c" * (255 if width == 1 else 1000)]
    data = b"".join(len(payload).to_bytes(width, order) + payload for payload in payloads)
    assert b"".join(map(codec.encode, payloads)) == data
    check(codec, data, *payloads, tail=codec.encode(b"abc")[:-1])


@pytest.mark.parametrize(
    ("width", "size"), [(2, 65535), (3, 65536), (3, 1 << 23), (4, 1 << 23), (8, 1 << 23)]
)
def test_the_upper_bytes_count(take: Take, width: int, size: int) -> None:
    codec = LengthFieldCodec(1 << 24, 0, width, 0, width)
    decoder = codec.decoder()
    decoder.feed(codec.encode(bytes(size)) + codec.encode(b"abc"))
    assert take(decoder) == [bytes(size), b"abc"]


def test_empty_frames(check: Check) -> None:
    check(LengthFieldCodec(4, 0, 2, 0, 2), b"\0\0" * 5, *[b""] * 5, tail=b"\0")


def test_the_maximum_counts_the_header(check: Check) -> None:
    codec = LengthFieldCodec(6, 0, 4, 0, 4)
    check(codec, b"\0\0\0\2ab\0\0\0\3abc\0\0\0\1a", b"ab", TOO_LONG, b"a", tail=b"\0\0\0\2a")


@pytest.mark.parametrize("fail_fast", [False, True])
def test_decoding_goes_on_after_a_frame_too_long(take: Take, fail_fast: bool) -> None:
    decoder = LengthFieldCodec(5, 0, 4, 0, 4, fail_fast=fail_fast).decoder()
    for _ in range(2):
        decoder.feed(b"\0\0\0\2")
        assert take(decoder) == ([TOO_LONG] if fail_fast else [])
        assert decoder.pending == 0
        decoder.feed(b"\0\0\0\0\0\1A")
        assert take(decoder) == ([b"A"] if fail_fast else [TOO_LONG, b"A"])


@pytest.mark.parametrize("fail_fast", [False, True])
def test_a_frame_too_long_that_is_all_here(check: Check, fail_fast: bool) -> None:
    codec = LengthFieldCodec(16, 0, 4, fail_fast=fail_fast)
    data = b"\0\0\0\x20" + b"x" * 32 + b"\0\0\0\1a"
    check(codec, data, TOO_LONG, b"\0\0\0\1a", tail=b"\0\0\0\1")
    check(codec, b"\0\0\0\x20" + b"x" * 32, TOO_LONG)


def test_corrupt_lengths_skip_the_header(check: Check) -> None:
    negative = LengthFieldCodec(32, 0, 8, 0, 8)
    check(negative, b"\xff" * 8 + b"\0" * 7 + b"\1a", CORRUPTED, b"a", tail=b"\0" * 3)
    lowest = b"\x80" + b"\0" * 7
    check(negative, lowest + b"\0" * 7 + b"\1a", CORRUPTED, b"a")
    shorter = LengthFieldCodec(32, 1, 2, -3, 0)
    check(shorter, b"x\0\2" + b"y\0\4z", CORRUPTED, b"y\0\4z", tail=b"x\0")


def test_more_to_strip_than_there_is_skips_the_frame(check: Check) -> None:
    codec = LengthFieldCodec(32, 0, 1, 0, 4)
    check(codec, b"\2ab" + b"\3abc" + b"\4abcd", CORRUPTED, b"", b"d", tail=b"\4abc")


def test_four_bytes_are_unsigned(check: Check, take: Take) -> None:
    decoder = LengthFieldCodec(32, 0, 4).decoder()
    decoder.feed(b"\xff\xff\xff\xffabc")
    assert take(decoder) == [TOO_LONG]
    assert decoder.pending == 0


@pytest.mark.parametrize("adjustment", [0, 100, -100, sys.maxsize, -sys.maxsize - 1])
@pytest.mark.parametrize("maximum", [64, 1 << 31, (1 << 62) - 1, sys.maxsize, 1 << 70])
def test_huge_lengths_neither_allocate_nor_overflow(take: Take, adjustment: int, maximum: int) -> None:
    data = b"\x7f" + b"\xff" * 7 + b"x" * 100
    decoder = LengthFieldCodec(maximum, 0, 8, adjustment).decoder()
    decoder.feed(data)
    length = sys.maxsize + adjustment + 8
    assert take(decoder)[:1] == ([CORRUPTED] if length < 8 else [] if length <= maximum else [TOO_LONG])
    assert decoder.pending <= len(data)


@pytest.mark.parametrize(
    ("arguments", "payload", "expected"),
    [
        ((0, 1), b"a", b"\1a"),
        ((0, 4), b"a", b"\0\0\0\1a"),
        ((0, 4, 0, 0, "little"), b"a", b"\1\0\0\0a"),
        ((0, 2, -2), b"HELLO", b"\0\7HELLO"),
        ((0, 2, 3), b"abcde", b"\0\2abcde"),
        ((2, 2, 0), b"xyabc", b"xy\0\3abc"),
    ],
)
def test_encoding_is_what_the_decoder_expects(
    decode_all: Callable[..., list[object]], arguments: tuple[int, ...], payload: bytes, expected: bytes
) -> None:
    codec = LengthFieldCodec(64, *arguments)
    assert codec.encode(payload) == expected
    assert decode_all(codec, expected * 2) == [expected] * 2


def test_encoding_a_length_that_includes_its_field() -> None:
    assert LengthFieldCodec(64, length_includes_length_field=True).encode(b"A") == b"\0\0\0\5A"
    codec = LengthFieldCodec(64, 0, 2, -2, 2, length_includes_length_field=True)
    assert codec.encode(b"HELLO") == b"\0\7HELLO"
    decoder = codec.decoder()
    decoder.feed(b"\0\7HELLO")
    assert decoder.next_frame() == b"HELLO"


def test_encoding_what_does_not_fit() -> None:
    with pytest.raises(TooLongFrameError):
        LengthFieldCodec(64, 0, 1).encode(bytes(256))
    assert len(LengthFieldCodec(64, 0, 1).encode(bytes(255))) == 256  # the maximum is for what is received
    with pytest.raises(TooLongFrameError):
        LengthFieldCodec(64, 0, 1, length_includes_length_field=True).encode(bytes(255))
    with pytest.raises(CorruptedFrameError):
        LengthFieldCodec(64, 0, 1, 4).encode(b"abc")
    with pytest.raises(CorruptedFrameError):
        LengthFieldCodec(64, 4, 1).encode(b"abc")


@pytest.mark.parametrize(
    "arguments",
    [
        {"length_field_length": 5},
        {"length_field_length": 0},
        {"length_field_offset": -1},
        {"initial_bytes_to_strip": -1},
        {"max_frame_length": 3},
        {"max_frame_length": 6, "length_field_offset": 3},
        {"byte_order": "middle"},
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"length|order|strip"):
        LengthFieldCodec(**{"max_frame_length": 64, **arguments})
