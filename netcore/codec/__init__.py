"""Framing without I/O: bytes to frames and back, in the ways that most protocols use."""

from typing import TYPE_CHECKING

from netcore._native import COLD
from netcore.codec.delimiter import DelimiterCodec
from netcore.codec.fixed_length import FixedLengthCodec
from netcore.codec.length_field import LengthFieldCodec
from netcore.codec.line import LineCodec
from netcore.codec.protocol import Codec, Decoder

if TYPE_CHECKING or COLD:
    from netcore.codec.frame_handler import FrameHandler
else:
    from netcore.codec.hot import HotFrameHandler as FrameHandler

__all__ = [
    "Codec",
    "Decoder",
    "DelimiterCodec",
    "FixedLengthCodec",
    "FrameHandler",
    "LengthFieldCodec",
    "LineCodec",
]
