"""check_codec passes on every codec and says what is wrong with broken ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from netcore.codec import Codec, Decoder, DelimiterCodec, FixedLengthCodec, LengthFieldCodec, LineCodec
from netcore.errors import CorruptedFrameError, FrameError, TooLongFrameError
from netcore.testing.conformance.check_codec import check_codec


@pytest.mark.parametrize(
    "factory",
    [
        lambda: LineCodec(100),
        lambda: LineCodec(100, fail_fast=True),
        lambda: DelimiterCodec(1000, b"<end>", b"--", b";"),
        lambda: DelimiterCodec(1000, b"abc", b"b"),
        lambda: FixedLengthCodec(8),
        lambda: LengthFieldCodec(1 << 20, 0, 2, 0, 2),
        lambda: LengthFieldCodec(50, 0, 1, 0, 1, fail_fast=False),
        lambda: LengthFieldCodec(1 << 20, 0, 3, -3, 3, "little", length_includes_length_field=True),
    ],
)
def test_passes(factory: Callable[[], Codec]) -> None:
    check_codec(factory)


def test_passes_where_frames_are_more_than_payloads() -> None:
    check_codec(lambda: LengthFieldCodec(1 << 20), decoded=lambda payload, encoded: encoded)
    check_codec(
        lambda: LengthFieldCodec(1 << 20, 2, 2, 0, 1),
        payloads=[b"xy", b"xyz", b"xy" * 100],
        decoded=lambda payload, encoded: encoded[1:],
    )


class Broken(Decoder):
    """One byte of length, then the payload; does it right."""

    def __init__(self) -> None:
        self.held = b""

    def feed(self, data: bytes) -> None:
        self.held += bytes(data)

    def next_frame(self) -> bytes | None:
        end = 1 + self.held[0] if self.held else 1
        if len(self.held) < end:
            return None
        frame, self.held = self.held[1:end], self.held[end:]
        return frame

    @property
    def pending(self) -> int:
        return len(self.held)


class BrokenCodec:
    def __init__(self, make: Callable[[], Decoder] = Broken) -> None:
        self.decoder = make

    def encode(self, payload: bytes) -> bytes:
        if len(payload) > 255:
            raise TooLongFrameError("one byte tells the length")
        return bytes([len(payload)]) + bytes(payload)


def test_passes_on_the_one_that_the_broken_ones_are_made_of() -> None:
    check_codec(BrokenCodec)


class Forgets(Broken):
    def feed(self, data: bytes) -> None:
        self.held = bytes(data)


class Hasty(Broken):
    def next_frame(self) -> bytes | None:
        if not self.held:
            return None
        frame, self.held = self.held[1 : 1 + self.held[0]], self.held[1 + self.held[0] :]
        return frame


class Early(Broken):
    def next_frame(self) -> bytes | None:
        if len(self.held) > 2 and len(self.held) == self.held[0]:
            self.held += b"?"
        return super().next_frame()


class Mutable(Broken):
    def next_frame(self) -> bytes | None:
        frame = super().next_frame()
        return None if frame is None else bytearray(frame)  # type: ignore[return-value]


class Shares(Broken):
    shared = b""

    @property
    def held(self) -> bytes:  # type: ignore[override]
        return Shares.shared

    @held.setter
    def held(self, value: bytes) -> None:
        Shares.shared = value


class Views(Broken):
    def __init__(self) -> None:
        self.parts: list[object] = []

    def feed(self, data: bytes) -> None:
        self.parts.append(data.obj if isinstance(data, memoryview) else data)

    @property
    def held(self) -> bytes:  # type: ignore[override]
        return b"".join(self.parts)  # type: ignore[arg-type]

    @held.setter
    def held(self, value: bytes) -> None:
        self.parts = [value]


class Sticks(Broken):
    def next_frame(self) -> bytes | None:
        if self.held and self.held[0] == 255:
            raise CorruptedFrameError("and so for ever")
        return super().next_frame()


class Raises(Broken):
    def next_frame(self) -> bytes | None:
        if self.held and self.held[0] > 254:
            raise IndexError("not a FrameError")
        return super().next_frame()


class Depends(Broken):
    def next_frame(self) -> bytes | None:
        if len(self.held) > 300:
            self.held = b""
            raise TooLongFrameError("too much at once")
        return super().next_frame()


class Counts(Broken):
    @property
    def pending(self) -> int:
        return 1


class Drops(Broken):
    def next_frame(self) -> bytes | None:
        frame = super().next_frame()
        if frame is not None:
            self.held = b""
        return frame


class BadBatches(Broken):
    def next_frames(self):  # type: ignore[no-untyped-def]
        frames = list(iter(self.next_frame, None))
        return iter(frames[::-1])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (Forgets, "byte by byte, gives"),
        (Hasty, "byte by byte, gives"),
        (Early, "gives"),
        (Mutable, "of type bytearray instead of bytes"),
        (Shares, "into each other's way"),
        (Views, "changes with the buffer"),
        (Sticks, "does not come to None"),
        (Raises, "raised IndexError"),
        (Depends, "gives other frames or errors|do not give the same frames"),
        (Counts, "pending is 1"),
        (Drops, "loses its place|do not give the same frames"),
        (BadBatches, "do not give the same frames"),
    ],
)
def test_says_what_is_wrong_with_a_decoder(make: type[Decoder], sentence: str) -> None:
    Shares.shared = b""
    with pytest.raises(AssertionError, match=sentence):
        check_codec(lambda: BrokenCodec(make))


class Nothing(BrokenCodec):
    def encode(self, payload: bytes) -> bytes:
        raise FrameError("no")


class Text(BrokenCodec):
    def encode(self, payload: bytes) -> bytes:
        return "text"  # type: ignore[return-value]


class OnlyBytes(BrokenCodec):
    def encode(self, payload: bytes) -> bytes:
        return super().encode(payload if isinstance(payload, bytes) else b"?")


class Lies(BrokenCodec):
    def encode(self, payload: bytes) -> bytes:
        return super().encode(payload[:-1])


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        (Nothing, "no payload was framed"),
        (Text, "returns str instead of bytes"),
        (OnlyBytes, "of a bytearray gives other bytes"),
        (Lies, "instead of the frame"),
    ],
)
def test_says_what_is_wrong_with_encoding(factory: type[Codec], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_codec(factory)


def test_payloads_that_were_asked_for_must_be_framed() -> None:
    with pytest.raises(AssertionError, match=r"encode.*raises"):
        check_codec(BrokenCodec, payloads=[b"a", bytes(256)])
