"""What the decoders here share: taking in bytes, and frames found by the batch.

A *batch* is what has been fed since the last look, with the incomplete frame before it. All of its frames
are found in one search and then handed out one by one. What is left at the end of a batch, the beginning of
a frame, is *held* and grows in place until it is worth another look; so each byte is copied and looked at a
small number of times, however the stream is cut.

The search exists twice: ``find``, in Python, which is the reference, and where there is one the native
search of the codec, which finds the same frames faster.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from typing import TYPE_CHECKING

from netcore.buffer import copy_of
from netcore.codec.protocol import Decoder

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["WORTH_A_CALL", "BatchDecoder", "Found", "NativeSearch"]

Found = tuple[list[int], list[int], int]
"""Where frames begin, where they end, and where the search has stopped."""

NativeSearch = Callable[[bytes, int], tuple[Sequence[bytes], int]]
"""Takes a batch and where to begin; returns frames, not necessarily all, and where it has stopped."""

WORTH_A_CALL = 1024
"""Bytes from which on a batch is searched natively. In smaller ones there are few frames to find, and a
call gives the GIL away, which with several loops costs more than the search."""

_NOTHING: Iterator[bytes] = iter(())


class BatchDecoder(Decoder):
    """Everything of a decoder but the knowledge of what a frame looks like.

    Attributes:
        discarding: Whether the batch begins within a frame that is being dropped.
        at: Where in the batch the next frame begins; ``judge`` moves it.
    """

    __slots__ = (
        "_batch",
        "_begins",
        "_chunks",
        "_count",
        "_frames",
        "_held",
        "_origin",
        "_search",
        "_strip",
        "at",
        "discarding",
    )

    def __init__(self, search: NativeSearch | None = None, strip: int = 0) -> None:
        """Begins with nothing fed.

        Args:
            search: Finds what ``find`` finds, natively.
            strip: Bytes that are left out at the beginning of each frame.
        """
        self.discarding: bool = False
        self.at: int = 0
        self._search = search
        self._strip = strip
        self._chunks: list[bytes] = []
        self._held = bytearray()
        self._batch = b""
        # Of the frames found last: those not taken yet, their number, where the first of them began, and,
        # if somebody has asked, where each of them begins.
        self._frames = _NOTHING
        self._count = 0
        self._origin = 0
        self._begins: list[int] = []

    @abc.abstractmethod
    def enough(self, held: bytearray) -> bool:
        """Whether a look at what is held, which begins with a frame, would make a difference."""

    @abc.abstractmethod
    def find(self, batch: bytes, at: int) -> Found:
        """Finds the whole, good frames that follow each other from ``at`` on."""

    @abc.abstractmethod
    def judge(self, batch: bytes) -> bool:
        """Deals with what begins at ``self.at`` and is not a whole, good frame.

        Returns:
            False if there is nothing to do before more is fed; what is then left is held.

        Raises:
            FrameError: It is bad. ``self.at`` has been moved beyond it.
        """

    def feed(self, data: Buffer) -> None:
        """See ``Decoder.feed``."""
        if type(data) is not bytes:
            data = copy_of(data)
        if data:
            self._chunks.append(data)

    def next_frame(self) -> bytes | None:
        """See ``Decoder.next_frame``."""
        for frame in self._frames:
            return frame
        self._advance()
        return next(self._frames, None)

    def next_frames(self) -> Iterator[bytes]:
        """See ``Decoder.next_frames``."""
        if not length_hint(self._frames):
            self._advance()
        return self._frames

    @property
    def pending(self) -> int:
        """See ``Decoder.pending``."""
        next_one = self.at
        if left := length_hint(self._frames):
            if not self._begins:
                self._begins = self.find(self._batch, self._origin)[0]
            next_one = self._begins[self._count - left] - self._strip
        return len(self._held) + len(self._batch) - next_one + sum(map(len, self._chunks))

    @property
    def missing(self) -> int:
        """Bytes that the frame lacks whose beginning is held; see ``lacks``.

        It is 0 where nothing is held, nor about to be dropped, so that what is fed next begins with a frame.
        """
        if self._chunks or self.discarding or self.at != len(self._batch) or length_hint(self._frames):
            return -1
        return self.lacks(len(self._held)) if self._held else 0

    def lacks(self, here: int) -> int:
        """Tells what a frame lacks of which so many bytes are held, and which is good as far as can be seen.

        Returns:
            How many bytes complete it, or, if it ends with a delimiter of one byte or a line's end, how many
            may come before that; -1 if that is not known, or none.
        """
        return -1

    def _advance(self) -> None:
        """Looks on until frames are found or all is looked at; the last frames found have been taken."""
        while True:
            batch = self._batch
            if self.at == len(batch):
                if batch:
                    self._batch, self.at = b"", 0
                if not self._chunks or not self._load():
                    return
                batch = self._batch
            if not self.discarding and self._take_frames(batch, self.at):
                return
            if not self.judge(batch):
                self._held += memoryview(batch)[self.at :]
                self._batch, self.at = b"", 0

    def _take_frames(self, batch: bytes, at: int) -> bool:
        """Makes the frames that follow each other from ``at`` on ready to be taken; False if none do."""
        frames: Sequence[bytes]
        if self._search is not None and len(batch) - at >= WORTH_A_CALL:
            frames, stop = self._search(batch, at)
        else:
            begins, ends, stop = self.find(batch, at)
            if len(begins) == 1:  # the usual answer to a small read
                frames = (batch[begins[0] : ends[0]],)
            else:
                frames = [batch[i:j] for i, j in zip(begins, ends, strict=True)]
        if not frames:
            return False
        self._frames = iter(frames)
        self._count = len(frames)
        self._origin = at
        self._begins = []
        self.at = stop
        return True

    def _load(self) -> bool:
        """Makes a batch of what was fed; False if it is only more of a frame that is still incomplete."""
        chunks = self._chunks
        fed = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        if self._held:
            self._held += fed
            if not self.enough(self._held):
                return False
            fed = bytes(self._held)
            self._held = bytearray()
        self._batch = fed
        return True
