"""Framing without I/O: bytes to frames and back, in the ways that most protocols use."""

from netcore.codec.delimiter import DelimiterCodec
from netcore.codec.fixed_length import FixedLengthCodec
from netcore.codec.frame_handler import FrameHandler
from netcore.codec.length_field import LengthFieldCodec
from netcore.codec.line import LineCodec
from netcore.codec.protocol import Codec, Decoder

__all__ = [
    "Codec",
    "Decoder",
    "DelimiterCodec",
    "FixedLengthCodec",
    "FrameHandler",
    "LengthFieldCodec",
    "LineCodec",
]
