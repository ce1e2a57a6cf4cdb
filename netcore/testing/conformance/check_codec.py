"""The conformance check for codecs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from netcore.codec import Codec, Decoder
from netcore.errors import FrameError, TooLongFrameError
from netcore.testing.conformance.rules import require, run_rules

__all__ = ["check_codec"]

_ALPHABET: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SIZES: Final = (*range(65), 100, 127, 128, 255, 256, 257, 500, 512, 1000, 1024, 5000)
_PAYLOADS: Final[tuple[bytes, ...]] = (
    *((_ALPHABET * 100)[size % 7 :][:size] for size in _SIZES),
    *((b"0123456789" * 500)[:size] for size in _SIZES[1:]),
    bytes(range(256)),
    bytes(300),
    b"\xff" * 300,
    b"one\ntwo\r\nthree",
)
"""What is tried where the user names nothing: no kind of frame takes all of it, each takes some."""

_MOST: Final = 24
"""Payloads used of those that can be framed: enough, and each is decoded in dozens of ways."""

_Results = list[bytes | type[FrameError]]


class _Subject:
    """A codec and what to try it with.

    Attributes:
        codec: What is checked.
        samples: Bytes of the stream, and the frame that they are.
    """

    def __init__(
        self,
        codec: Codec,
        payloads: Iterable[bytes] | None,
        decoded: Callable[[bytes, bytes], bytes] | None,
    ) -> None:
        self.codec = codec
        self.samples: list[tuple[bytes, bytes]] = []
        for payload in _PAYLOADS if payloads is None else payloads:
            try:
                encoded = codec.encode(payload)
            except FrameError as error:
                require(payloads is None, f"encode({_show(payload)}) raises {error!r}.")
                continue
            require(type(encoded) is bytes, f"encode() returns {type(encoded).__name__} instead of bytes.")
            if payloads is not None or not self._is_too_long(encoded):
                self.samples.append((encoded, decoded(payload, encoded) if decoded else payload))
        require(self.samples, "no payload was framed: pass some that the codec takes.")
        if len(self.samples) > _MOST:
            self.samples = random.Random(1).sample(self.samples, _MOST)

    def _is_too_long(self, encoded: bytes) -> bool:
        """Whether the decoder has a maximum that encoding has not."""
        decoder = self.codec.decoder()
        decoder.feed(encoded)
        try:
            decoder.next_frame()
        except TooLongFrameError:
            return True
        except FrameError:
            pass  # the round trip will tell
        return False


def check_codec(
    factory: Callable[[], Codec],
    payloads: Iterable[bytes] | None = None,
    decoded: Callable[[bytes, bytes], bytes] | None = None,
) -> None:
    """Checks that what ``factory`` makes keeps the contract of ``Codec``, and its decoders theirs.

    Args:
        factory: Called without arguments, any number of times; makes a codec.
        payloads: What to frame, all of it possible; by default a variety of which any part may be refused.
        decoded: Gives the frame for a payload and its encoding, where it is not the payload again, such as
            ``lambda payload, encoded: encoded`` for a codec that leaves headers in its frames.

    Raises:
        AssertionError: It does not; the message is a sentence that says what is wrong.
    """
    fixed = None if payloads is None else tuple(payloads)
    run_rules("codec", _RULES, lambda rule: rule(_Subject(factory(), fixed, decoded)))


def _show(data: bytes) -> str:
    return repr(data) if len(data) <= 40 else f"{data[:30]!r}... ({len(data)} bytes)"


def _take(decoder: Decoder, fed: int, batches: bool = False) -> _Results:
    """Takes everything; each bad frame must have used up at least one of the bytes fed."""
    results: _Results = []
    for _ in range(2 * fed + 2):
        try:
            if batches:
                frames = list(decoder.next_frames())
            else:
                frame = decoder.next_frame()
                frames = [] if frame is None else [frame]
        except FrameError as error:
            results.append(type(error))
            continue
        if not frames:
            return results
        for frame in frames:
            require(type(frame) is bytes, f"a frame is of type {type(frame).__name__} instead of bytes.")
        results += frames
    raise AssertionError(
        f"next_frame() does not come to None: {fed} bytes gave {len(results)} frames or errors."
    )


def _cut(data: bytes, rng: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = rng.choice((1, 1, 2, 3, 7, 50, 400))
        yield data[at : at + size]
        at += size


def _splittings(data: bytes) -> Iterator[tuple[str, Sequence[bytes]]]:
    yield "fed whole", [data]
    yield "fed byte by byte", [data[i : i + 1] for i in range(len(data))]
    for seed in range(5):
        yield "fed in pieces of random length", list(_cut(data, random.Random(seed)))


def _decode(decoder: Decoder, pieces: Iterable[bytes], batches: bool = False) -> _Results:
    results: _Results = []
    fed = 0
    for piece in pieces:
        decoder.feed(piece)
        fed += len(piece)
        results += _take(decoder, fed, batches)
    return results


def _encodes_any_buffer(subject: _Subject) -> None:
    for encoded, frame in subject.samples:
        decoder = subject.codec.decoder()
        decoder.feed(encoded)
        if decoder.next_frame() != frame:
            continue  # the round trip will tell
        for kind in (bytearray, memoryview):
            try:
                other = subject.codec.encode(kind(frame))
            except FrameError:
                break  # frames are not payloads here
            again = subject.codec.encode(frame)
            require(
                other == again, f"encode() of a {kind.__name__} gives other bytes than of the same bytes."
            )


def _gives_back_what_was_encoded(subject: _Subject) -> None:
    for encoded, frame in subject.samples:
        for how, pieces in _splittings(encoded):
            decoder = subject.codec.decoder()
            results = _decode(decoder, pieces)
            shown = ", ".join(_show(item) if isinstance(item, bytes) else item.__name__ for item in results)
            require(
                results == [frame],
                f"{_show(encoded)}, {how}, gives {shown or 'nothing'} instead of the frame {_show(frame)}.",
            )
            left = decoder.pending
            require(left == 0, f"pending is {left} after the only frame, {_show(encoded)}, has been taken.")


def _gives_nothing_before_a_frame_is_complete(subject: _Subject) -> None:
    for encoded, _ in subject.samples:
        decoder = subject.codec.decoder()
        require(decoder.pending == 0, f"pending of a new decoder is {decoder.pending}.")
        require(decoder.next_frame() is None, "next_frame() of a new decoder is not None.")
        for i in range(len(encoded) - 1):
            decoder.feed(encoded[i : i + 1])
            result = _take(decoder, 1)
            require(not result, f"{_show(encoded[: i + 1])} is not a whole frame, but gives one.")
            held = decoder.pending
            require(0 <= held <= i + 1, f"pending is {held} when {i + 1} bytes have been fed.")


def _keeps_the_order_of_a_stream(subject: _Subject) -> None:
    stream = b"".join(encoded for encoded, _ in subject.samples)
    frames = [frame for _, frame in subject.samples]
    for how, pieces in _splittings(stream):
        for batches in (False, hasattr(subject.codec.decoder(), "next_frames")):
            results = _decode(subject.codec.decoder(), pieces, batches)
            require(results == frames, f"{len(frames)} frames in a row, {how}, do not give the same frames.")


def _keeps_a_tail(subject: _Subject) -> None:
    for encoded, frame in subject.samples:
        for cut in {1, len(encoded) // 2, len(encoded) - 1} & set(range(1, len(encoded))):
            decoder = subject.codec.decoder()
            decoder.feed(encoded + encoded[:cut])
            first = _take(decoder, len(encoded) + cut)
            decoder.feed(encoded[cut:] + encoded)
            rest = _take(decoder, 3 * len(encoded))
            require(
                first == [frame] and rest == [frame] * 2,
                f"{_show(encoded)} with the first {cut} bytes of the next frame behind it loses its place.",
            )


def _keeps_decoders_apart(subject: _Subject) -> None:
    samples = subject.samples[:8]
    decoders = [subject.codec.decoder() for _ in samples]
    results: list[_Results] = [[] for _ in samples]
    for i in range(max(len(encoded) for encoded, _ in samples)):
        for decoder, (encoded, _), got in zip(decoders, samples, results, strict=True):
            decoder.feed(encoded[i : i + 1])
            got += _take(decoder, len(encoded))
    expected = [[frame] for _, frame in samples]
    require(results == expected, "two decoders of a codec fed in turn get into each other's way.")


def _copies_what_is_mutable(subject: _Subject) -> None:
    for encoded, frame in subject.samples:
        middle = len(encoded) // 2
        decoder = subject.codec.decoder()
        for part in (encoded[:middle], encoded[middle:]):
            data = bytearray(part)
            with memoryview(data) as view:
                decoder.feed(view)
            data[:] = bytes(byte ^ 0xFF for byte in data)
        require(_take(decoder, len(encoded)) == [frame], "what was fed changes with the buffer it came in.")


def _noise(samples: Sequence[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """Yields every byte repeated, bytes at random, and streams with a few bytes changed."""
    rng = random.Random(1)
    for value in range(256):
        yield bytes([value]) * 20
    for i in range(30):
        yield rng.randbytes(200)
        stream = bytearray(b"".join(encoded for encoded, _ in rng.choices(samples, k=3)))
        for _ in range(1 + i % 4):
            stream[rng.randrange(len(stream))] = rng.randrange(256)
        yield bytes(stream)


def _rejects_noise_and_goes_on(subject: _Subject) -> None:
    for data in _noise(subject.samples):
        seen: _Results | None = None
        for how, pieces in _splittings(data):
            results = _decode(subject.codec.decoder(), pieces)
            # What follows a bad frame is anybody's guess in many protocols; up to there all must agree.
            bad = next((i for i, item in enumerate(results) if not isinstance(item, bytes)), len(results))
            if seen is None:
                seen = results[: bad + 1]
            same = results[: bad + 1] == seen
            require(same, f"{_show(data)} gives other frames or errors when {how}.")


_RULES: Final[tuple[Callable[[_Subject], None], ...]] = (
    _gives_back_what_was_encoded,
    _encodes_any_buffer,
    _gives_nothing_before_a_frame_is_complete,
    _keeps_the_order_of_a_stream,
    _keeps_a_tail,
    _keeps_decoders_apart,
    _copies_what_is_mutable,
    _rejects_noise_and_goes_on,
)
