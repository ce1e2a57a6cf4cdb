"""The frames of a stream, one after the other."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from netcore.codec import Codec, Decoder

__all__ = ["Frames", "Source"]


class Source(Protocol):
    """Where the bytes come from."""

    whole: bool
    """Whether the peer has ended the stream, in order."""

    @abc.abstractmethod
    async def more(self, held: int) -> bytes:
        """Waits for bytes, and takes all there are; ``b""`` at the end.

        Args:
            held: Bytes that were taken and make no frame yet; the source bounds them.

        Raises:
            OSError: The connection is lost.
        """


class Frames:
    """An asynchronous iterator over frames; see ``Stream.frames``.

    Attributes:
        codec: What frames them.
    """

    __slots__ = ("_decoder", "_found", "_last_frame", "_next_frames", "_source", "codec")

    def __init__(self, source: Source, codec: Codec) -> None:
        self.codec: Codec = codec
        self._source = source
        self._decoder = decoder = codec.decoder()
        # A decoder need not derive from Decoder: it may have just the methods that a codec's user calls.
        self._next_frames = getattr(decoder, "next_frames", None) or partial(Decoder.next_frames, decoder)
        self._last_frame: Callable[[], bytes | None] = getattr(decoder, "last_frame", lambda: None)
        self._found: Iterator[bytes] = iter(())

    def __aiter__(self) -> Frames:
        """Returns itself."""
        return self

    async def __anext__(self) -> bytes:
        """Returns the next frame."""
        while True:
            for frame in self._found:
                return frame
            self._found = self._next_frames()
            for frame in self._found:
                return frame
            data = await self._source.more(self.pending)
            if not data:
                last = self._last_frame() if self._source.whole else None
                if last is None:
                    raise StopAsyncIteration
                return last
            self._decoder.feed(data)

    @property
    def pending(self) -> int:
        """Bytes that were taken from the source, and are not in the frames that were given."""
        return getattr(self._decoder, "pending", 0)
