"""Frames that are all of the same length."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING

from netcore.buffer import copy_of
from netcore.codec.batch import BatchDecoder, Found
from netcore.codec.scan import Layout, fixed_length_layout, wants_native
from netcore.errors import FrameError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["FixedLengthCodec"]

_NATIVE_LIMIT = 1 << 62
"""Bytes that C can count."""


class FixedLengthCodec:
    """Cuts the stream into frames of a fixed length; nothing in it can be bad."""

    def __init__(self, frame_length: int) -> None:
        """Makes the codec.

        Args:
            frame_length: Bytes of each frame.

        Raises:
            TypeError: It is no whole number.
            ValueError: It is less than 1.
        """
        frame_length = index(frame_length)
        if frame_length < 1:
            raise ValueError(f"frame_length is {frame_length}: it must be 1 or more")
        self._length = frame_length

    def _layout(self) -> Layout | None:
        """Describes the frames to C, unless they are to be found in Python."""
        if not wants_native() or self._length >= _NATIVE_LIMIT:
            return None
        return fixed_length_layout(self._length)

    def decoder(self) -> FixedLengthDecoder:
        """See ``Codec.decoder``."""
        return FixedLengthDecoder(self._length)

    def encode(self, payload: Buffer) -> bytes:
        """See ``Codec.encode``; the payload is the frame, and must have its length."""
        data = copy_of(payload)
        if len(data) != self._length:
            raise FrameError(f"{len(data)} bytes are no frame of {self._length}")
        return data


class FixedLengthDecoder(BatchDecoder):
    """The decoder of ``FixedLengthCodec``."""

    __slots__ = ("_length",)

    def __init__(self, frame_length: int) -> None:
        super().__init__()
        self._length = frame_length

    def enough(self, held: bytearray) -> bool:
        """See ``BatchDecoder.enough``."""
        return len(held) >= self._length

    def find(self, batch: bytes, at: int) -> Found:
        """See ``BatchDecoder.find``."""
        length = self._length
        stop = at + (len(batch) - at) // length * length
        return list(range(at, stop, length)), list(range(at + length, stop + 1, length)), stop

    def lacks(self, here: int) -> int:
        """See ``BatchDecoder.lacks``."""
        return self._length - here

    def judge(self, batch: bytes) -> bool:
        """See ``BatchDecoder.judge``."""
        return False
