"""Finding all frames of a batch in one native call (``src/scan.c``).

The native part tells where the frames are in the language of the module ``struct``, so that making them
is a single call as well: half the price of slicing them out one by one.

The environment variable NETCORE_CODEC, ``native`` or ``pure``, asks for one way of searching when a codec
is made, to tell whether a fault is in the native part. The results are the same.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from struct import Struct
from typing import TYPE_CHECKING

from netcore._native import MISSING, native
from netcore.errors import OptionsError

if TYPE_CHECKING:
    from netcore._native._netcore import Array, Frames
    from netcore.codec.batch import NativeSearch

__all__ = [
    "Layout",
    "delimiter_search",
    "delimiters_layout",
    "fixed_length_layout",
    "length_field_layout",
    "length_field_search",
    "line_search",
    "wants_native",
]

Layout = tuple["Array[int]", ...]
"""An ``nc_framing``, by which the hot half finds and makes frames itself, and behind it what it points to."""

_ROOM = 65536
"""Bytes for the description of frames, which has 5 to 8 for each; where they are not enough, the search
stops and is called again."""


def wants_native() -> bool:
    """Tells whether to search natively.

    Raises:
        OptionsError: NETCORE_CODEC is neither ``native`` nor ``pure``.
        ImportError: It is ``native``, and netcore was built without its native part.
    """
    wish = os.environ.get("NETCORE_CODEC") or ("pure" if MISSING else "native")
    if wish not in ("native", "pure"):
        raise OptionsError(f"NETCORE_CODEC is {wish!r}: it must be 'native' or 'pure'")
    if wish == "native":
        native()
    return wish == "native"


class _Results(threading.local):
    """Where the calls of one thread put what they find; codecs are shared by all loops, and calls overlap."""

    def __init__(self) -> None:
        ffi, _ = native()
        self.frames = ffi.new("nc_frames *")
        self.frames.format = memory = ffi.new("char[]", _ROOM)
        self.frames.room = _ROOM
        self.format = ffi.buffer(memory)


_results = None if MISSING else _Results()


def _searching(scan: Callable[[bytes, int, int, Frames], int]) -> NativeSearch:
    """Makes a search of a scan that takes data, its size, where to begin, and where to put the result."""

    def search(batch: bytes, at: int) -> tuple[Sequence[bytes], int]:
        assert _results is not None
        frames = _results.frames
        stop = scan(batch, len(batch), at, frames)
        if stop == at:
            return (), at
        return Struct(_results.format[: frames.used]).unpack_from(batch, at), stop

    return search


def length_field_search(
    offset: int, width: int, little_endian: bool, adjustment: int, max_value: int, strip: int
) -> NativeSearch:
    """Makes a search for frames with a length field; see ``nc_length_field`` for the arguments."""
    ffi, lib = native()
    layout = ffi.new("nc_length_field *", (offset, width, little_endian, adjustment, max_value, strip))
    scan = lib.nc_scan_length_fields
    return _searching(lambda data, size, at, frames: scan(data, size, at, layout, frames))


def line_search(max_length: int, keep: bool) -> NativeSearch:
    """Makes a search for lines of up to ``max_length`` bytes, with their ends if these are kept."""
    scan = native()[1].nc_scan_lines
    return _searching(lambda data, size, at, frames: scan(data, size, at, max_length, keep, frames))


def delimiter_search(max_length: int, keep: bool, shortest_first: Sequence[bytes]) -> NativeSearch:
    """Makes a search for frames of up to ``max_length`` bytes that end with one of several delimiters."""
    ffi, lib = native()
    count = len(shortest_first)
    joined = b"".join(shortest_first)
    lengths = ffi.new("size_t[]", [len(delimiter) for delimiter in shortest_first])
    scan = lib.nc_scan_delimiters
    return _searching(
        lambda data, size, at, frames: scan(data, size, at, max_length, keep, count, joined, lengths, frames)
    )


def fixed_length_layout(length: int) -> Layout:
    """Describes frames that are all so long."""
    ffi, lib = native()
    return (ffi.new("nc_framing *", {"kind": lib.NC_FIXED_LENGTH, "max_length": length}),)


def length_field_layout(
    offset: int, width: int, little_endian: bool, adjustment: int, max_value: int, strip: int, surplus: int
) -> Layout:
    """Describes frames with a length field; see ``nc_length_field``, and ``nc_framing`` for the surplus."""
    ffi, lib = native()
    field = (offset, width, little_endian, adjustment, max_value, strip)
    return (ffi.new("nc_framing *", {"kind": lib.NC_LENGTH_FIELD, "field": field, "surplus": surplus}),)


def delimiters_layout(
    max_length: int, keep: bool, shortest_first: Sequence[bytes], lines: bool, ending: bytes
) -> Layout:
    """Describes frames of up to ``max_length`` bytes that end with one of several delimiters.

    Args:
        max_length: Bytes of a frame, without its delimiter.
        keep: Whether frames are given with it.
        shortest_first: The delimiters.
        lines: Whether they are those of lines.
        ending: The one that is sent.
    """
    ffi, lib = native()
    joined = ffi.new("char[]", b"".join(shortest_first))
    lengths = ffi.new("size_t[]", [len(delimiter) for delimiter in shortest_first])
    sent = ffi.new("char[]", ending)
    framing = ffi.new(
        "nc_framing *",
        {
            "kind": lib.NC_LINES if lines else lib.NC_DELIMITERS,
            "keep": keep,
            "max_length": max_length,
            "count": len(shortest_first),
            "delimiters": joined,
            "lengths": lengths,
            "ending": sent,
            "ending_length": len(ending),
        },
    )
    return framing, joined, lengths, sent
