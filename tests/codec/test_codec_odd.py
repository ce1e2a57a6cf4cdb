"""Odd arguments of codecs are refused when the codec is made, not when the first bytes come."""

from __future__ import annotations

import decimal
import math
from typing import Any

import pytest

from netcore.codec import DelimiterCodec, FixedLengthCodec, LengthFieldCodec, LineCodec

ODD = [2.0, 100.5, math.nan, math.inf, decimal.Decimal(100), "100", b"100", None, [], object()]


class Whole:
    def __index__(self) -> int:
        return 4


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_numbers_are_whole(odd: Any) -> None:
    names = ("length_field_offset", "length_field_length", "length_adjustment", "initial_bytes_to_strip")
    for make in (LineCodec, FixedLengthCodec, LengthFieldCodec, lambda n: DelimiterCodec(n, b";")):
        with pytest.raises(TypeError):
            make(odd)
    for name in names:
        with pytest.raises(TypeError):
            LengthFieldCodec(100, **{name: odd})


def test_numbers_are_whatever_has_an_index() -> None:
    whole: Any = Whole()
    decoders = [codec.decoder() for codec in (LineCodec(whole), FixedLengthCodec(whole))]
    decoders.append(LengthFieldCodec(100, length_field_length=whole, initial_bytes_to_strip=whole).decoder())
    for decoder, data in zip(decoders, (b"abcd\n", b"abcd", b"\0\0\0\4abcd"), strict=True):
        decoder.feed(data)
        assert decoder.next_frame() == b"abcd"


@pytest.mark.parametrize("huge", [2**63, 10**400], ids=["64 bits", "many"])
def test_a_limit_may_be_as_large_as_it_likes(huge: int) -> None:
    for codec in (LineCodec(huge), DelimiterCodec(huge, b"\n"), LengthFieldCodec(huge, 0, 4, 0, 4)):
        decoder = codec.decoder()
        decoder.feed(codec.encode(b"x" * 5000))
        assert decoder.next_frame() == b"x" * 5000


@pytest.mark.parametrize("odd", [";", 3, None, [";"]])
def test_delimiters_are_bytes(odd: Any) -> None:
    with pytest.raises(TypeError):
        DelimiterCodec(10, b",", odd)


def test_a_delimiter_may_be_any_buffer() -> None:
    delimiter = bytearray(b";")
    codec = DelimiterCodec(10, delimiter)  # type: ignore[arg-type]
    delimiter[0] = 0
    decoder = codec.decoder()
    decoder.feed(codec.encode(b"abc"))
    assert decoder.next_frame() == b"abc"


@pytest.mark.parametrize("odd", ["text", None, 3, 2.5, object()])
def test_what_is_fed_or_encoded_is_a_buffer(odd: Any) -> None:
    for codec in (LineCodec(10), FixedLengthCodec(3), LengthFieldCodec(10, 0, 1), DelimiterCodec(9, b";")):
        decoder = codec.decoder()
        decoder.feed(b"\1")
        with pytest.raises(TypeError):
            decoder.feed(odd)
        with pytest.raises(TypeError):
            codec.encode(odd)
        assert decoder.pending == 1
