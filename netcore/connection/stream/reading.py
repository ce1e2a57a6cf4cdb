"""The reading half of a stream connection.

The bytes of a turn stay in the loop's arena while the handler looks at them: the window ``[_lo, _hi)``.
What it leaves is kept in a buffer of the connection's own, and later bytes are put behind it, so that
there is only ever one of the two to read from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from netcore.address import Address
from netcore.buffer import ElasticRingBuffer
from netcore.connection.core import Connection, Host, State
from netcore.errors import ShortBufferError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ReadingHalf"]

_PAUSED, _OWES = 1, 2
"""What ``_pause`` is made of; two flags in one place, since ten thousand idle connections have it."""


class ReadingHalf(Connection):
    """Reads from the window, or from what earlier turns have left.

    ``deliver`` sets the window of a connection that has nothing kept itself: a call of ``show`` instead costs
    0.04 of the 0.4 µs of Python that a message takes.

    Attributes:
        receiving: Whether bytes that come are wanted: not paused, nor at the end, nor closing.
    """

    __slots__ = ("_hi", "_kept", "_lo", "_pause", "receiving")

    def __init__(
        self, host: Host, fd: int, network: str, remote: bytes | Address, local: Address | None
    ) -> None:
        super().__init__(host, fd, network, remote, local)
        self.receiving = True
        self._pause = 0
        self._lo = self._hi = 0
        self._kept: ElasticRingBuffer | None = None

    def entered(self, state: State) -> None:
        """See ``Connection.entered``."""
        self._decide_receiving()

    @property
    def paused(self) -> bool:
        """See ``Conn.paused``."""
        return self._pause & _PAUSED != 0

    @property
    def owes_traffic(self) -> bool:
        """Whether bytes that a pause has held back are still to be shown."""
        return self._pause & _OWES != 0

    def owe_traffic(self, owed: bool) -> None:
        """Notes that bytes are, or are no longer, still to be shown."""
        self._pause = self._pause | _OWES if owed else self._pause & ~_OWES

    def set_paused(self, paused: bool) -> None:
        """Stops or resumes delivery; the poller learns of it at the end of the turn."""
        self._pause = self._pause | _PAUSED if paused else self._pause & ~_PAUSED
        self._decide_receiving()
        self._host.settle_later(self)

    def _decide_receiving(self) -> None:
        # A dead connection is drained although it is paused: it must come to its end, and what is left
        # of it is no more than the kernel's receive buffer.
        state = self.state
        self.receiving = state.receives and (not self._pause & _PAUSED or state is State.FAILED)

    @property
    def inbound_buffered(self) -> int:
        """See ``Conn.inbound_buffered``."""
        return self._hi - self._lo if self._kept is None else self._kept.buffered

    def read(self, n: int = -1) -> bytes:
        """See ``Conn.read``."""
        if self._kept is None:
            lo = self._lo
            hi = self._hi
            if n >= 0 and n < hi - lo:
                hi = lo + n
            self._lo = hi
            return self._host.inbox.arena[lo:hi]
        data = self._kept.read(n)
        self._drop_if_empty()
        return data

    def read_into(self, buffer: Buffer) -> int:
        """See ``Conn.read_into``."""
        if self._kept is not None:
            n = self._kept.read_into(buffer)
            self._drop_if_empty()
            return n
        with memoryview(buffer).cast("B") as target:
            if target.readonly:
                raise TypeError(f"{type(buffer).__name__} is read-only: nothing can be read into it")
            data = self.read(len(target))
            target[: len(data)] = data
            return len(data)

    def peek(self, n: int = -1) -> memoryview:
        """See ``Conn.peek``."""
        here = self.inbound_buffered
        if n > here:
            raise ShortBufferError(f"{n} bytes were asked for, {here} are here")
        if self._kept is None:
            lo = self._lo
            view = self._host.inbox.whole[lo : lo + n if n >= 0 else self._hi]
        else:
            pieces = self._kept.peek(n)
            view = pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))
        self._host.inbox.views.append(view)
        return view

    def next(self, n: int = -1) -> memoryview:
        """See ``Conn.next``."""
        view = self.peek(n)
        self.discard(len(view))
        return view

    def discard(self, n: int = -1) -> int:
        """See ``Conn.discard``."""
        if self._kept is not None:
            n = self._kept.discard(n)
            self._drop_if_empty()
            return n
        here = self._hi - self._lo
        if not 0 <= n < here:
            n = here
        self._lo += n
        return n

    def write_to(self, file: BinaryIO) -> int:
        """See ``Conn.write_to``."""
        self.keep()
        if self._kept is None:
            return 0
        try:
            return self._kept.write_to(file)
        finally:
            self._drop_if_empty()

    def show(self, lo: int, hi: int) -> bool:
        """Puts bytes of the arena, just received, before the reader.

        Returns:
            Whether there is something new to read.
        """
        if self._kept is None:
            self._lo, self._hi = lo, hi
            return True
        with self._host.inbox.whole[lo:hi] as received:
            return self.take_in(received)

    def keep(self) -> None:
        """Saves what is unread of the window, before the arena is used again."""
        lo, hi = self._lo, self._hi
        if lo != hi:
            self._lo = hi
            with self._host.inbox.whole[lo:hi] as unread:
                self.store(unread)

    def take_in(self, received: memoryview) -> bool:
        """Takes what has come from the peer, and is not shown in place.

        Returns:
            Whether there is something new to read.
        """
        self.store(received)
        return True

    def store(self, data: bytes | memoryview) -> None:
        """Copies bytes to the buffer of this connection's own, behind what it has to be read."""
        if self._kept is None:
            self._kept = ElasticRingBuffer(self._host.pool)
        self._kept.write(data)

    def forget_input(self) -> None:
        """Drops everything unread."""
        self._lo = self._hi = 0
        if self._kept is not None:
            self._kept.release()
            self._kept = None

    def _drop_if_empty(self) -> None:
        if self._kept is not None and self._kept.is_empty:
            self._kept.release()
            self._kept = None
