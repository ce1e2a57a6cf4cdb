"""Whatever is fed, however it is cut: the frames of a simple model, only FrameError, bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from netcore._native import MISSING
from netcore.codec import Codec, DelimiterCodec, FixedLengthCodec, LengthFieldCodec, LineCodec
from netcore.errors import CorruptedFrameError, FrameError, TooLongFrameError

Result = bytes | type[FrameError]

quick = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])

cuts = st.lists(st.integers(1, 40), max_size=60)
some_bytes = st.binary(max_size=300)
near_text = st.text("ab\n\r", max_size=300).map(str.encode)
small_delimiters = st.lists(st.text("ab\r\n", min_size=1, max_size=3).map(str.encode), min_size=1, max_size=3)
layouts = st.fixed_dictionaries(
    {
        "max_frame_length": st.integers(1, 80),
        "length_field_offset": st.integers(0, 3),
        "length_field_length": st.sampled_from([1, 2, 3, 4, 8]),
        "length_adjustment": st.integers(-12, 12),
        "initial_bytes_to_strip": st.integers(0, 12),
        "byte_order": st.sampled_from(["big", "little"]),
        "fail_fast": st.booleans(),
    }
)
# Mostly small numbers, so that length fields make sense now and then.
likely_lengths = st.lists(
    st.one_of(st.sampled_from([0, 0, 0, 1, 2, 3, 5, 8, 0x7F, 0x80, 0xFF]), st.integers(0, 255)), max_size=300
).map(bytes)


@contextmanager
def way_of_searching(kind: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETCORE_CODEC", kind)
        patch.setattr("netcore.codec.batch.WORTH_A_CALL", 1)
        yield


def pieces_of(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        if at >= len(data):
            return
        yield data[at : at + size]
        at += size
    if at < len(data):
        yield data[at:]


def decode(codec: Codec, data: bytes, sizes: list[int], limit: int) -> list[Result]:
    """Decodes, and watches how much is held: no more than the limit and what has just come."""
    decoder = codec.decoder()
    results: list[Result] = []
    fed = 0
    for piece in pieces_of(data, sizes):
        decoder.feed(piece)
        fed += len(piece)
        for _ in range(2 * fed + 2):
            try:
                frame = decoder.next_frame()
            except FrameError as error:
                results.append(type(error))
                continue
            if frame is None:
                break
            results.append(frame)
        else:
            raise AssertionError("it goes on for ever")
        assert 0 <= decoder.pending <= limit + len(piece)
    return results


def expect(
    make: Callable[..., Codec],
    arguments: dict[str, object],
    data: bytes,
    sizes: list[int],
    limit: int,
    model: list[Result],
) -> None:
    for kind in ("pure", *(() if MISSING else ("native",))):
        with way_of_searching(kind):
            codec = make(**arguments)
            assert decode(codec, data, sizes, limit) == model, kind


def delimited(
    data: bytes, max_length: int, delimiters: list[bytes], strip: bool, fail_fast: bool
) -> list[Result]:
    """What a stream holds; looks for each delimiter anew for each frame."""
    results: list[Result] = []
    at = 0
    while True:
        places = [(data.find(end, at), len(end)) for end in delimiters if end in data[at:]]
        if not places:
            break
        begin, length = min(places)
        frame = data[at:begin] if strip else data[at : begin + length]
        results.append(TooLongFrameError if begin - at > max_length else frame)
        at = begin + length
    rest = data[at:]
    begun = any(
        end.startswith(rest[i:]) for end in delimiters for i in range(max_length + 1) if i < len(rest)
    )
    if fail_fast and len(rest) > max_length and not begun:
        results.append(TooLongFrameError)
    return results


@quick
@given(near_text, cuts, st.integers(1, 12), st.booleans(), st.booleans())
def test_lines(data: bytes, sizes: list[int], max_length: int, strip: bool, fail_fast: bool) -> None:
    model = delimited(data, max_length, [b"\n", b"\r\n"], strip, fail_fast)
    arguments = {"max_length": max_length, "strip_delimiter": strip, "fail_fast": fail_fast}
    expect(LineCodec, arguments, data, sizes, max_length, model)


@quick
@given(near_text, cuts, small_delimiters, st.integers(1, 12), st.booleans(), st.booleans())
def test_delimiters(
    data: bytes, sizes: list[int], delimiters: list[bytes], max_length: int, strip: bool, fail_fast: bool
) -> None:
    assume(not any(inner in outer[1:-1] for inner in delimiters for outer in delimiters))
    model = delimited(data, max_length, delimiters, strip, fail_fast)
    limit = max_length + max(map(len, delimiters)) - 1

    def make(**options: bool) -> DelimiterCodec:
        return DelimiterCodec(max_length, *delimiters, **options)

    expect(make, {"strip_delimiter": strip, "fail_fast": fail_fast}, data, sizes, limit, model)


@quick
@given(near_text, cuts, small_delimiters, st.integers(1, 12), st.booleans())
def test_delimiters_within_delimiters_do_not_depend_on_the_cuts(
    data: bytes, sizes: list[int], delimiters: list[bytes], max_length: int, fail_fast: bool
) -> None:
    codec = DelimiterCodec(max_length, *delimiters, b"abba", b"b", fail_fast=fail_fast)
    assert decode(codec, data, sizes, max_length + 3) == decode(codec, data, [], max_length + 3)


@quick
@given(some_bytes, cuts, st.integers(1, 50))
def test_fixed_lengths(data: bytes, sizes: list[int], length: int) -> None:
    whole = len(data) // length * length
    model: list[Result] = [data[i : i + length] for i in range(0, whole, length)]
    assert decode(FixedLengthCodec(length), data, sizes, length - 1) == model


def with_length_fields(data: bytes, layout: dict) -> list[Result]:
    """What a stream holds, frame by frame."""
    results: list[Result] = []
    offset, width, order = (
        layout["length_field_offset"],
        layout["length_field_length"],
        layout["byte_order"],
    )
    header, strip = offset + width, layout["initial_bytes_to_strip"]
    while len(data) >= header:
        value = int.from_bytes(data[offset:header], order, signed=width == 8)
        length = value + layout["length_adjustment"] + header
        here = data[:length] if length > 0 else b""
        if value < 0 or length < header:
            results.append(CorruptedFrameError)
            data = data[header:]
        elif length > layout["max_frame_length"]:
            if layout["fail_fast"] or len(here) == length:
                results.append(TooLongFrameError)
            data = data[length:]
        elif len(here) < length:
            break
        else:
            results.append(here[strip:] if strip <= length else CorruptedFrameError)
            data = data[length:]
    return results


@quick
@given(likely_lengths, cuts, layouts)
def test_length_fields(data: bytes, sizes: list[int], layout: dict) -> None:
    header = layout["length_field_offset"] + layout["length_field_length"]
    layout["max_frame_length"] = max(layout["max_frame_length"], header)
    model = with_length_fields(data, layout)
    expect(LengthFieldCodec, layout, data, sizes, layout["max_frame_length"] - 1, model)


@quick
@given(some_bytes, cuts, layouts)
def test_length_fields_in_noise(data: bytes, sizes: list[int], layout: dict) -> None:
    header = layout["length_field_offset"] + layout["length_field_length"]
    layout["max_frame_length"] = max(layout["max_frame_length"], header)
    model = with_length_fields(data, layout)
    expect(LengthFieldCodec, layout, data, sizes, layout["max_frame_length"] - 1, model)


@quick
@given(st.lists(st.binary(max_size=60), max_size=20), cuts, layouts)
def test_what_is_encoded_is_decoded(payloads: list[bytes], sizes: list[int], layout: dict) -> None:
    layout["max_frame_length"] = 200
    codec = LengthFieldCodec(**layout)
    encoded = []
    for payload in payloads:
        try:
            encoded.append(codec.encode(payload))
        except FrameError:
            continue
    strip = layout["initial_bytes_to_strip"]
    model: list[Result] = [frame[strip:] if strip <= len(frame) else CorruptedFrameError for frame in encoded]
    assert decode(codec, b"".join(encoded), sizes, 200) == model
