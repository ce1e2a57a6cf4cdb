"""Frames that say in a header how long they are."""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from struct import Struct
from typing import TYPE_CHECKING, Literal

from netcore.buffer import copy_of
from netcore.codec.batch import BatchDecoder, Found, NativeSearch
from netcore.codec.scan import Layout, length_field_layout, length_field_search, wants_native
from netcore.errors import CorruptedFrameError, TooLongFrameError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["LengthFieldCodec"]

_WIDTHS = (1, 2, 3, 4, 8)
_FORMATS = {1: "B", 2: "H", 4: "I", 8: "q"}

_NATIVE_LIMIT = 1 << 62
"""Sums of two numbers below it fit into the native search's 64 bits; nobody has frames that long."""


class LengthFieldCodec:
    """Frames with a length field at a fixed place in their header.

    A frame begins with ``length_field_offset`` bytes, followed by the field, and ends
    ``value of the field + length_adjustment`` bytes after it. So the adjustment is 0 where the field counts
    what follows it, minus the field's end where it counts the whole frame, and positive where a part of
    what follows is not counted.

    A negative length, and a frame that would end before its own length field, are a
    ``CorruptedFrameError``, and decoding goes on after the field. A frame longer than the maximum is a
    ``TooLongFrameError``, and dropped as it comes. What a length announces is never allocated.
    """

    def __init__(
        self,
        max_frame_length: int,
        length_field_offset: int = 0,
        length_field_length: int = 4,
        length_adjustment: int = 0,
        initial_bytes_to_strip: int = 0,
        byte_order: Literal["big", "little"] = "big",
        fail_fast: bool = True,
        length_includes_length_field: bool = False,
    ) -> None:
        """Makes the codec.

        Args:
            max_frame_length: Bytes of the longest frame accepted, header included, before stripping.
                Encoding has no limit: it is there for what a peer sends.
            length_field_offset: Bytes before the length field.
            length_field_length: Bytes of the length field: 1, 2, 3 or 4, unsigned, or 8, signed.
            length_adjustment: What to add to the length to get the number of bytes after the field.
            initial_bytes_to_strip: Bytes to drop at the beginning of each frame, such as its header. A
                frame that has fewer is a ``CorruptedFrameError``, and skipped.
            byte_order: "big" or "little".
            fail_fast: Raise ``TooLongFrameError`` as soon as the length is known, rather than when the
                frame has been dropped.
            length_includes_length_field: For ``encode``: the length counts the field itself, and what
                follows it. Without that it is what this codec's own decoder expects.

        Raises:
            TypeError: A number is not whole.
            ValueError: An argument is out of range, or the header does not fit into the maximum.
        """
        max_frame_length, length_field_offset = index(max_frame_length), index(length_field_offset)
        length_field_length, length_adjustment = index(length_field_length), index(length_adjustment)
        initial_bytes_to_strip = index(initial_bytes_to_strip)
        if length_field_length not in _WIDTHS:
            raise ValueError(f"length_field_length is {length_field_length}: it must be one of {_WIDTHS}")
        if byte_order not in ("big", "little"):
            raise ValueError(f"byte_order is {byte_order!r}: it must be 'big' or 'little'")
        if length_field_offset < 0 or initial_bytes_to_strip < 0:
            raise ValueError("length_field_offset and initial_bytes_to_strip must not be negative")
        self.max_frame_length = max_frame_length
        self.header_length: int = length_field_offset + length_field_length
        if max_frame_length < self.header_length:
            raise ValueError(
                f"max_frame_length is {max_frame_length}: a header alone has {self.header_length} bytes"
            )
        self.fail_fast = fail_fast
        self.strip = initial_bytes_to_strip
        self._offset = length_field_offset
        self._width = length_field_length
        self._order: Literal["big", "little"] = byte_order
        self._adjustment = length_adjustment + self.header_length
        self._read = self._reader()
        self._surplus = length_field_length if length_includes_length_field else -length_adjustment
        self.search: NativeSearch | None = self._native_search()

    def _reader(self) -> Callable[[bytes, int], tuple[int, ...]]:
        """Chooses how to read the length field at a place in the data."""
        width, order = self._width, self._order
        if width in _FORMATS:
            return Struct((">" if order == "big" else "<") + _FORMATS[width]).unpack_from
        return lambda data, at: (int.from_bytes(data[at : at + width], order),)

    def _native_search(self) -> NativeSearch | None:
        numbers = (self.max_frame_length, abs(self._adjustment), self.strip)
        if not wants_native() or max(numbers) >= _NATIVE_LIMIT:
            return None
        return length_field_search(*self._field())

    def _field(self) -> tuple[int, int, bool, int, int, int]:
        """Returns what there is in an ``nc_length_field``."""
        max_value = self.max_frame_length - self._adjustment
        little = self._order == "little"
        return self._offset, self._width, little, self._adjustment, max_value, self.strip

    def _layout(self) -> Layout | None:
        """Describes the frames to C, unless they are to be found in Python."""
        if self.search is None or abs(self._surplus) >= _NATIVE_LIMIT:
            return None
        return length_field_layout(*self._field(), self._surplus)

    def decoder(self) -> LengthFieldDecoder:
        """See ``Codec.decoder``."""
        return LengthFieldDecoder(self)

    def encode(self, payload: Buffer) -> bytes:
        """See ``Codec.encode``.

        Args:
            payload: What comes after the length field; with ``length_field_offset``, so many bytes at its
                beginning are put before the field.

        Raises:
            CorruptedFrameError: The length would be negative, or the payload is shorter than the offset.
            TooLongFrameError: The length does not fit into its field.
        """
        data = copy_of(payload)
        offset = self._offset
        if len(data) < offset:
            raise CorruptedFrameError(f"{len(data)} bytes: {offset} must come before the length field")
        value = len(data) - offset + self._surplus
        if value < 0:
            raise CorruptedFrameError(f"the length of {len(data)} bytes would be {value}")
        try:
            field = value.to_bytes(self._width, self._order, signed=self._width == 8)
        except OverflowError:
            raise TooLongFrameError(f"length {value} does not fit into {self._width} bytes") from None
        return data[:offset] + field + data[offset:] if offset else field + data

    def value_at(self, data: bytes, at: int) -> int:
        """Reads the length field of the frame that begins at ``at``."""
        return self._read(data, at + self._offset)[0]

    def length_at(self, data: bytes, at: int) -> int:
        """Computes how long the frame that begins at ``at`` says it is, from its first byte to its last."""
        return self.value_at(data, at) + self._adjustment

    def find(self, data: bytes, at: int) -> Found:
        """Finds the whole, good frames that follow each other from ``at`` on."""
        begins: list[int] = []
        ends: list[int] = []
        header, strip, longest = self.header_length, self.strip, self.max_frame_length
        shortest = max(header, strip)
        read, offset, adjustment = self._read, self._offset, self._adjustment
        size = len(data)
        while at + header <= size:
            (value,) = read(data, at + offset)
            length = value + adjustment
            if value < 0 or not shortest <= length <= longest or at + length > size:
                break
            begins.append(at + strip)
            at += length
            ends.append(at)
        return begins, ends, at


class LengthFieldDecoder(BatchDecoder):
    """The decoder of ``LengthFieldCodec``."""

    __slots__ = ("_codec", "_dropped", "_needed", "_too_long")

    def __init__(self, codec: LengthFieldCodec) -> None:
        super().__init__(codec.search, codec.strip)
        self._codec = codec
        self._needed = 0  # bytes of the incomplete frame that is held, as far as they are known
        self._dropped = 0  # bytes still to drop of one that is too long
        self._too_long: TooLongFrameError | None = None

    def enough(self, held: bytearray) -> bool:
        """See ``BatchDecoder.enough``."""
        return len(held) >= self._needed

    def find(self, batch: bytes, at: int) -> Found:
        """See ``BatchDecoder.find``."""
        return self._codec.find(batch, at)

    def lacks(self, here: int) -> int:
        """See ``BatchDecoder.lacks``."""
        needed, codec = self._needed, self._codec
        return needed - here if needed > codec.header_length and needed >= codec.strip else -1

    def judge(self, batch: bytes) -> bool:
        """See ``BatchDecoder.judge``."""
        codec, at = self._codec, self.at
        here = len(batch) - at
        if self.discarding:
            return self._discard(here)
        self._needed = codec.header_length
        if here < self._needed:
            return False
        value, length = codec.value_at(batch, at), codec.length_at(batch, at)
        if value < 0:
            self.at += codec.header_length
            raise CorruptedFrameError(f"a length is negative: {value}")
        if length < codec.header_length:
            self.at += codec.header_length
            raise CorruptedFrameError(
                f"a frame of {length} bytes is shorter than its header of {codec.header_length}"
            )
        if length > codec.max_frame_length:
            self.discarding = True
            self._dropped = length
            self._too_long = TooLongFrameError(
                f"a frame of {length} bytes is longer than {codec.max_frame_length}"
            )
            return self._discard(here)
        if here < length:
            self._needed = length
            return False
        self.at += length
        raise CorruptedFrameError(f"a frame of {length} bytes has fewer than the {codec.strip} to strip")

    def _discard(self, here: int) -> bool:
        """Drops what is here of a frame that is too long, and raises the error when it is time."""
        step = min(self._dropped, here)
        self.at += step
        self._dropped -= step
        self.discarding = self._dropped > 0
        error = self._too_long
        if error is not None and (self._codec.fail_fast or not self.discarding):
            self._too_long = None
            raise error
        return True
