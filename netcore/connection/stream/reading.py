"""The reading half of a stream connection.

The bytes of a turn stay in the loop's arena while the handler looks at them: the window ``[_lo, _hi)``.
What it leaves is kept in a buffer of the connection's own, and later bytes are put behind it, so that
there is only ever one of the two to read from.
"""

from __future__ import annotations

import errno
from operator import index
from typing import TYPE_CHECKING, BinaryIO

from netcore._arguments import ALL, check_method
from netcore.buffer import VIEWS_ARE_COUNTED, ElasticRingBuffer, writable_view
from netcore.connection.core import NO_FIELDS, PAUSED, Event, PausableConnection, State
from netcore.errors import ShortBufferError
from netcore.handler import CloseReason

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ReadingHalf"]

_LARGE = 1 << 20
"""Bytes of one read that are worth a word about the memory they lay in."""


class ReadingHalf(PausableConnection):
    """Reads from the window, or from what earlier turns have left.

    ``deliver`` sets the window where ``_plain`` allows it: a call of ``show`` costs 0.04 µs more of the 0.4
    that a message takes in Python. ``StreamConnection`` gives all of this its first values, for the same kind
    of reason.

    Attributes:
        receiving: Whether bytes that come are wanted: not paused, nor at the end, nor closing.
    """

    __slots__ = NO_FIELDS

    FIELDS = (*PausableConnection.FIELDS, "_hi", "_kept", "_lo", "_plain", "receiving")

    receiving: bool
    _lo: int
    _hi: int
    """The window: bytes of the arena that are unread; empty outside of ``on_traffic``."""
    _kept: ElasticRingBuffer | None
    """What earlier turns have left unread."""
    _plain: bool
    """Whether what comes is wanted as it is, and has nothing kept before it: then it is shown in place."""

    def entered(self, state: State) -> None:
        """See ``Connection.entered``."""
        self.receiving = self.wants_input
        self._plain = self.may_show()

    def may_show(self) -> bool:
        """Whether what comes from now on may be shown in place; see ``_plain``."""
        return self.receiving and self._kept is None

    @property
    def wants_input(self) -> bool:
        """Whether the application is to be shown what comes; a filter may receive though this is False.

        A dead connection is drained although it is paused: it must come to its end, and what is left
        of it is no more than the kernel's receive buffer.
        """
        state = self.state
        return state.receives and (not self._flags & PAUSED or state is State.FAILED)

    def set_paused(self, paused: bool) -> None:
        """See ``PausableConnection.set_paused``."""
        self._mark(PAUSED, paused)
        self.entered(self.state)
        self._host.settle_later(self)

    @property
    def inbound_buffered(self) -> int:
        """See ``Conn.inbound_buffered``."""
        kept = self._kept  # asked on other threads too, for a look
        return self._hi - self._lo if kept is None else kept.buffered

    def read(self, n: int = ALL) -> bytes:
        """See ``Conn.read``."""
        if n is not ALL:
            n = index(n)
        if self._kept is None:
            lo = self._lo
            hi = self._hi
            if 0 <= n < hi - lo:
                hi = lo + n
            self._lo = hi
            return self._host.inbox.arena[lo:hi]
        data = self._kept.read(n)
        if len(data) >= _LARGE:
            self._host.freed(len(data))
        self._drop_if_empty()
        return data

    def read_into(self, buffer: Buffer) -> int:
        """See ``Conn.read_into``."""
        if self._kept is not None:
            n = self._kept.read_into(buffer)
            self._drop_if_empty()
            return n
        with writable_view(buffer) as target:
            data = self.read(len(target))
            target[: len(data)] = data
            return len(data)

    def peek(self, n: int = ALL) -> memoryview:
        """See ``Conn.peek``."""
        if n is not ALL:
            n = index(n)
        here = self.inbound_buffered
        if n > here:
            raise ShortBufferError(f"{n} bytes were asked for, {here} are here")
        if self._kept is None:
            lo = self._lo
            hi = lo + n if n >= 0 else self._hi
            inbox = self._host.inbox
            view = inbox.whole[lo:hi] if VIEWS_ARE_COUNTED else memoryview(inbox.arena[lo:hi])
        elif not VIEWS_ARE_COUNTED:
            view = memoryview(self._kept.copy(n))
        else:
            pieces = self._kept.peek(n)
            view = pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))
        self._host.inbox.views.append(view)
        return view

    def next(self, n: int = ALL) -> memoryview:
        """See ``Conn.next``."""
        view = self.peek(n)
        self.discard(len(view))
        return view

    def discard(self, n: int = ALL) -> int:
        """See ``Conn.discard``."""
        if n is not ALL:
            n = index(n)
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
        check_method(file, "write")
        self.keep()
        if self._kept is None:
            return 0
        try:
            return self._kept.write_to(file)
        finally:
            self._drop_if_empty()

    def show(self, lo: int, hi: int) -> bool:
        """Takes bytes of the arena, just received, that are not ``_plain`` to show.

        Returns:
            Whether the application is to be told of something new to read.
        """
        if not self.receiving and not self.paused:  # closed by a neighbour's callback in the same batch
            return False
        with self._host.inbox.whole[lo:hi] as received:
            return self.take_in(received) and self.receiving

    def keep(self) -> None:
        """Saves what is unread of the window, before the arena is used again."""
        lo, hi = self._lo, self._hi
        if lo != hi:
            self._lo = hi
            with self.seen(lo, hi) as unread:
                self.store(unread)

    def seen(self, lo: int, hi: int) -> memoryview:
        """Returns a view of what the window is of."""
        return self._host.inbox.whole[lo:hi]

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
            self._plain = False
        if type(data) is bytes:  # of a filter, which has made them for this
            self._kept.adopt(data)
        else:
            self._kept.write(data)
        if self._kept.buffered > self._host.limits.max_inbound:
            self.count_unread(0)

    def count_unread(self, elsewhere: int) -> None:
        """Ends the connection if more bytes are unread than may be.

        Args:
            elsewhere: Bytes beside those here that the handler has read and can make nothing of yet, such as
                the beginning of a frame.
        """
        most = self._host.limits.max_inbound
        unread = self.inbound_buffered + elsewhere
        if unread > most:
            error = OSError(errno.ENOBUFS, f"{unread} bytes are unread, {most} may be")
            self.end(Event.ABORT, CloseReason.OVERFLOW, error).reset = True

    def forget_input(self) -> None:
        """Drops everything unread."""
        self._lo = self._hi = 0
        self._drop()

    def _drop_if_empty(self) -> None:
        if self._kept is not None and self._kept.is_empty:
            self._drop()

    def _drop(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            self._plain = self.may_show()
            self._host.freed(kept.buffered)
            kept.release()
