"""Frames that end with a delimiter."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING

from netcore.buffer import copy_of
from netcore.codec.batch import BatchDecoder, Found, NativeSearch
from netcore.codec.delimiters import LINE_ENDS, Delimiters
from netcore.codec.scan import Layout, delimiter_search, delimiters_layout, line_search, wants_native
from netcore.errors import FrameError, TooLongFrameError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["DelimiterCodec"]

_LONGEST = 1 << 62
"""Bytes of a frame that nobody has, which C can count."""


class DelimiterCodec:
    """Frames that end with one of several delimiters, each of one or more bytes.

    The delimiter that gives the shortest frame ends it; of two that begin at the same place, the shorter
    one. A frame longer than the maximum is a ``TooLongFrameError``, and dropped as it comes, up to and with
    its delimiter.
    """

    def __init__(
        self,
        max_length: int,
        *delimiters: bytes,
        strip_delimiter: bool = True,
        fail_fast: bool = True,
        accept_unterminated: bool = False,
    ) -> None:
        """Makes the codec.

        Args:
            max_length: Bytes of the longest frame accepted, without its delimiter. Encoding has no limit:
                it is there for what a peer sends.
            delimiters: What ends a frame; ``encode`` uses the first.
            strip_delimiter: Leave the delimiter out of the frame.
            fail_fast: Raise ``TooLongFrameError`` as soon as a frame is known to be too long, rather than
                when its delimiter has come.
            accept_unterminated: When the peer ends the stream in order, give what has come behind the last
                delimiter as a frame, too, unless it is nothing.

        Raises:
            TypeError: The maximum is no whole number, or a delimiter no bytes.
            ValueError: The maximum is less than 1, there is no delimiter, or one is empty.
        """
        max_length = index(max_length)
        if max_length < 1:
            raise ValueError(f"max_length is {max_length}: it must be 1 or more")
        delimiters = tuple(map(copy_of, delimiters))
        self.delimiters: Delimiters = Delimiters(delimiters)
        self.max_length = max_length
        self.strip_delimiter = strip_delimiter
        self.fail_fast = fail_fast
        self.accept_unterminated = accept_unterminated
        self._first = delimiters[0]
        self.search: NativeSearch | None = self._native_search()

    def _native_search(self) -> NativeSearch | None:
        if not wants_native() or self.delimiters.nested:
            return None
        max_length, keep = min(self.max_length, _LONGEST), not self.strip_delimiter
        if self.delimiters.shortest_first == LINE_ENDS:
            return line_search(max_length, keep)
        return delimiter_search(max_length, keep, self.delimiters.shortest_first)

    def _layout(self) -> Layout | None:
        """Describes the frames to C, unless they are to be found in Python."""
        if self.search is None:
            return None
        delimiters = self.delimiters.shortest_first
        lines = delimiters == LINE_ENDS
        max_length, keep = min(self.max_length, _LONGEST), not self.strip_delimiter
        return delimiters_layout(max_length, keep, delimiters, lines, self._first)

    def decoder(self) -> DelimiterDecoder:
        """See ``Codec.decoder``."""
        return DelimiterDecoder(self)

    def encode(self, payload: Buffer) -> bytes:
        """See ``Codec.encode``: appends the delimiter.

        Where the decoder keeps delimiters in its frames, a payload that ends with one is left as it is.

        Raises:
            FrameError: The payload contains a delimiter, or makes one together with what is appended.
        """
        data = copy_of(payload)
        if not self.strip_delimiter:
            span = self.delimiters.search(data, 0)
            if span is not None and span[1] == len(data):
                return data
        framed = data + self._first
        if self.delimiters.search(framed, 0) != (len(data), len(framed)):
            raise FrameError(f"{len(data)} bytes contain or make a delimiter, and cannot be one frame")
        return framed

    def find(self, data: bytes, at: int) -> Found:
        """Finds the whole, good frames that follow each other from ``at`` on."""
        begins: list[int] = []
        ends: list[int] = []
        search, longest, strip = self.delimiters.search, self.max_length, self.strip_delimiter
        while (span := search(data, at)) is not None and span[0] - at <= longest:
            begins.append(at)
            at = span[1]
            ends.append(span[0] if strip else at)
        return begins, ends, at


class DelimiterDecoder(BatchDecoder):
    """The decoder of ``DelimiterCodec`` and ``LineCodec``."""

    __slots__ = ("_codec", "_delimiters", "_searched")

    def __init__(self, codec: DelimiterCodec) -> None:
        super().__init__(codec.search)
        self._codec = codec
        self._delimiters = codec.delimiters
        self._searched = 0  # how much of what is held has no delimiter beginning in it

    def enough(self, held: bytearray) -> bool:
        """See ``BatchDecoder.enough``."""
        if self.discarding:
            return True  # what is held is less than a delimiter
        if self._delimiters.search(held, self._searched) is not None or self._is_too_long(held, 0):
            return True
        self._searched = max(0, len(held) - self._delimiters.longest + 1)
        return False

    def find(self, batch: bytes, at: int) -> Found:
        """See ``BatchDecoder.find``."""
        return self._codec.find(batch, at)

    def lacks(self, here: int) -> int:
        """See ``BatchDecoder.lacks``."""
        delimiters = self._delimiters
        if delimiters.longest > 1 and delimiters.shortest_first != LINE_ENDS:
            return -1  # one may have begun
        return max(self._codec.max_length - here, 0) or -1

    def judge(self, batch: bytes) -> bool:
        """See ``BatchDecoder.judge``."""
        span = self._delimiters.search(batch, self.at)
        unseen = max(self.at, len(batch) - self._delimiters.longest + 1)
        if span is not None:
            self.at = span[1]
            told, self.discarding = self.discarding and self._codec.fail_fast, False
            if not told:
                raise self._too_long()
            return True
        if self.discarding:
            self.at = unseen
        elif self._is_too_long(batch, self.at):
            self.at = unseen
            self.discarding = True
            if self._codec.fail_fast:
                raise self._too_long()
        self._searched = unseen - self.at
        return False

    def last_frame(self) -> bytes | None:
        """See ``Decoder.last_frame``: with ``accept_unterminated``, what is left."""
        codec, held, discarding = self._codec, self._held, self.discarding
        self._held, self._searched, self.discarding = bytearray(), 0, False
        if not codec.accept_unterminated or not (held or discarding):
            return None
        if discarding:
            if codec.fail_fast:  # it was told
                return None
            raise self._too_long()
        lo, hi = self._delimiters.search(held, 0, final=True) or self._end_of_rest(held)
        self._held = held[hi:]
        if lo > codec.max_length:
            raise self._too_long()
        return bytes(held[: lo if codec.strip_delimiter else hi])

    def _end_of_rest(self, held: bytearray) -> tuple[int, int]:
        """Returns what ``search`` would if a delimiter followed; of a line's end the CR may be there."""
        size = len(held)
        cut = self._delimiters.shortest_first == LINE_ENDS and held.endswith(b"\r")
        return size - cut, size

    def _is_too_long(self, data: bytes | bytearray, at: int) -> bool:
        """Whether no delimiter can come in time any more for the frame that begins at ``at``."""
        limit = at + self._codec.max_length
        return len(data) > limit and not self._delimiters.begun(data, at, limit + 1)

    def _too_long(self) -> TooLongFrameError:
        return TooLongFrameError(f"a frame is longer than {self._codec.max_length} bytes")
