"""The reading half of a stream: what has come stays with the connection until somebody reads it."""

from __future__ import annotations

import asyncio
import math
from typing import cast

from netcore.aio.arrival import Arrival
from netcore.aio.frames import Frames
from netcore.aio.hosted import HostedLoop
from netcore.codec import Codec
from netcore.connection import BaseStream
from netcore.handler import Conn

__all__ = ["ReadingStream"]

_FULL = "netcore.aio: enough is unread"
"""What a stream pauses reading for."""

_BUSY = "a read was called while another coroutine is already waiting for incoming data"


class ReadingStream:
    """Reads from a connection; see ``Stream``.

    Attributes:
        conn: See there.
        limit: See there.
        whole: See ``Source.whole``.
    """

    __slots__ = (
        "_arrival",
        "_at",
        "_ended",
        "_error",
        "_frames",
        "_front",
        "_holds",
        "_loop",
        "_stream",
        "conn",
        "limit",
        "whole",
    )

    def __init__(self, conn: Conn, loop: HostedLoop, limit: int) -> None:
        """Made by an ``AsyncHandler``."""
        self.conn: Conn = conn
        self.limit: int = min(limit, loop.max_unread)
        self._stream = cast("BaseStream", conn)
        self._loop = loop
        self._arrival = Arrival(loop)
        # Of what the connection has given up: bytes that readuntil has looked through, behind those it took.
        self._front = b""
        self._at = 0
        self._frames: Frames | None = None
        self._holds = False  # reading is paused, by this
        self._ended = False  # nothing more comes
        self.whole = False
        self._error: Exception | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.conn!r}>"

    async def read(self, n: int = -1) -> bytes:
        """Reads what is there, n bytes at most, waiting for one at least; to the end if n is negative.

        Returns:
            The bytes; ``b""`` at the end, or if n is 0.

        Raises:
            OSError: The connection is lost, such as ``ConnectionResetError`` or, by a deadline,
                ``TimeoutError``; what came before that is read first.
            RuntimeError: Another coroutine reads, or what has come is a decoder's; see ``frames``.
        """
        if n > 0:
            if not self._here() and not self._ended:
                await self._need(1)
        elif n < 0:
            await self._until(math.inf)
            if self._error is not None:  # it is not whole
                raise self._error
        return self._take(n) or (self._last() if n else b"")

    async def readexactly(self, n: int) -> bytes:
        """Reads n bytes.

        Raises:
            asyncio.IncompleteReadError: The end came before; its ``partial`` is what there was.
            ValueError: n is negative, or more than may be unread (``Options.max_inbound``, less one receive).
            OSError: See ``read``.
            RuntimeError: See ``read``.
        """
        if n < 0:
            raise ValueError("readexactly size can not be less than zero")
        if n > self._loop.max_unread:
            raise ValueError(
                f"{n} bytes were asked for, and max_inbound lets {self._loop.max_unread} gather at most"
            )
        if self._here() < n and not await self._until(n):
            if self._error is not None:
                raise self._error
            raise asyncio.IncompleteReadError(self._take(-1), n)
        return self._take(n)

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        """Reads up to a separator, which is included.

        Raises:
            asyncio.LimitOverrunError: It is not within ``limit`` bytes, which stay to be read.
            asyncio.IncompleteReadError: The end came before; its ``partial`` is what there was.
            ValueError: The separator is empty.
            OSError: See ``read``.
            RuntimeError: See ``read``.
        """
        if not separator:
            raise ValueError("Separator should be at least one-byte string")
        self._here()  # whether it may be read at all
        start = self._at
        while True:
            found = self._front.find(separator, start)
            at = self._at
            if found >= 0:
                if found - at > self.limit:
                    raise asyncio.LimitOverrunError(
                        "Separator is found, but chunk is longer than limit", found - at
                    )
                end = self._at = found + len(separator)
                return self._front[at:end]
            looked = max(len(self._front) - len(separator) + 1, at)
            if looked - at > self.limit:
                raise asyncio.LimitOverrunError(
                    "Separator is not found, and chunk exceed the limit", looked - at
                )
            if not self.conn.inbound_buffered:
                if self._ended:
                    if self._error is not None:
                        raise self._error
                    raise asyncio.IncompleteReadError(self._take(-1), None)
                await self._need(1)
            start = looked - at
            self._pull()

    def frames(self, codec: Codec) -> Frames:
        """Reads frames: ``async for frame in stream.frames(codec)``.

        It ends at the end of the stream; a frame that is incomplete then is dropped, unless the peer has
        ended the stream in order and the codec takes what is left for a frame (``Decoder.last_frame``).

        What is no frame is raised and skipped: call this again to go on behind it. The iteration may be left
        and taken up again, with the same codec. What its decoder has of later frames is the decoder's, and
        cannot be read otherwise.

        Raises:
            FrameError: By the iteration: see ``Decoder.next_frame``.
            OSError: By the iteration: see ``read``.
            RuntimeError: Another coroutine reads, or another codec has the rest of the stream.
        """
        frames = self._frames
        if frames is None or frames.codec is not codec:
            self._here()
            frames = self._frames = Frames(self, codec)
        return frames

    async def more(self, held: int) -> bytes:
        """See ``Source.more``; what the decoder holds counts as unread, of which there is a maximum.

        :meta private:
        """
        if self._arrival.busy:
            raise RuntimeError(_BUSY)
        if held > self.limit:
            self._stream.count_unread(held)
        if self._at == len(self._front) and not self.conn.inbound_buffered and not self._ended:
            await self._need(1)
        return self._take(-1) or self._last()

    def _here(self) -> int:
        """Returns how many bytes can be read without waiting.

        Raises:
            RuntimeError: It is not for this coroutine to read.
        """
        if self._arrival.busy:
            raise RuntimeError(_BUSY)
        if self._frames is not None and self._frames.pending:
            raise RuntimeError("what has come next is in the decoder of frames(): take it from there")
        return len(self._front) - self._at + self.conn.inbound_buffered

    async def _until(self, n: float) -> bool:
        """Waits until n bytes are there; returns whether they are, and not the end."""
        while True:
            missing: float = n - self._here()
            if missing <= 0:
                return True
            if self._ended:
                return False
            await self._need(self.conn.inbound_buffered + missing)

    def _need(self, n: float) -> Arrival:
        """Returns what to wait for: that the connection has so many bytes, or the end."""
        if self._holds:
            self._go_on()
        self._arrival.need = n
        return self._arrival

    def _take(self, n: int) -> bytes:
        """Takes n bytes, or what there is."""
        if self._at != len(self._front):
            return self._take_front(n)
        data = self.conn.read(n)
        if self._holds and self.conn.inbound_buffered <= self.limit // 2:
            self._go_on()
        return data

    def _pull(self) -> None:
        """Takes what there is to be looked through, behind the rest of what was."""
        self._front = self._front[self._at :] + self.conn.read()
        self._at = 0
        if self._holds:
            self._go_on()

    def _go_on(self) -> None:
        """Receives again."""
        self._holds = False
        self.conn.resume_reading(_FULL)

    def _take_front(self, n: int) -> bytes:
        front, at = self._front, self._at
        left = len(front) - at
        if 0 <= n < left:
            self._at = at + n
            return front[at : self._at]
        self._front, self._at = b"", 0
        more = n - left if n > 0 else n
        return front[at:] + self._take(more) if more else front[at:]

    def _last(self) -> bytes:
        """Returns what a read gets that has got nothing: the end."""
        if self._error is not None:
            raise self._error
        return b""

    # What its handler tells it, in the callbacks of the connection.

    def arrived(self) -> None:
        """Bytes have come.

        :meta private:
        """
        arrival = self._arrival
        here = self.conn.inbound_buffered
        if arrival.need:
            if here < arrival.need:
                return
            arrival.wake()
            if arrival.need:
                return
            here = self.conn.inbound_buffered
        if here > self.limit and not self._holds and not self.conn.closed:
            self._holds = True
            self.conn.pause_reading(_FULL)

    def end_of_stream(self, whole: bool) -> None:
        """Nothing more comes, since the peer has sent FIN or this side ends.

        Args:
            whole: Whether it is the peer who has ended it.

        :meta private:
        """
        self.whole = self.whole or whole
        self._ended = True
        if self._arrival.need:
            self._arrival.wake()

    def stream_lost(self, error: Exception | None) -> None:
        """The connection is gone, and with this callback what it has received.

        :meta private:
        """
        if self.conn.inbound_buffered:
            self._front = self._front[self._at :] + self.conn.read()
            self._at = 0
        self._error = error
        self._ended = True
        if self._arrival.need:
            if self._loop.is_running():
                self._arrival.wake()
            else:  # the loop has failed, and its end is to come
                self._arrival.wake_later()
