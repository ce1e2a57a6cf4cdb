"""A filter at work in a stream connection: between its two halves and the sockets.

It comes in only where a connection leaves the short way anyway: input that cannot be shown in place as it has
come, and output that cannot go straight to the outbox. So a connection without one is never asked whether it
has one in receiving and writing.
"""

from __future__ import annotations

import abc
import errno
from typing import TYPE_CHECKING

from netcore.connection.core import NO_FIELDS, Event, State
from netcore.connection.stream.backlog import FilePart
from netcore.connection.stream.filtering import Filtering, ShortFileError
from netcore.connection.stream.filters import Filter
from netcore.connection.stream.upgrade import Upgrade
from netcore.connection.stream.writing import WritingHalf
from netcore.errors import UnsupportedOperationError
from netcore.handler import CloseReason
from netcore.sockets import Chunk

if TYPE_CHECKING:
    import ssl

    from netcore.tls import TlsInfo

__all__ = ["FilteredHalves"]

_DEAF = (State.PEER_CLOSED, State.FAILED, State.CLOSED)
"""Where nothing comes any more that could set free what a filter holds."""


class FilteredHalves(WritingHalf):
    """Both halves of a stream, with room for a filter between them and the sockets."""

    __slots__ = NO_FIELDS

    FIELDS = (*WritingHalf.FIELDS, "_filtering", "_front")

    _filtering: Filtering | None
    _front: list[Chunk] | None
    """``Filtering.turn``, where a write may go straight to it: nothing waits, for a file or for the peer."""

    def entered(self, state: State) -> None:
        """See ``Connection.entered``."""
        super().entered(state)
        if not state.writes:
            self._front = None

    def put_on(self, filter_: Filter) -> None:
        """Puts a filter on, for what comes and what is written from now on. The loop's thread.

        What has been written before leaves without it, and what is unread stays as it is.

        Raises:
            UnsupportedOperationError: There is one already.
        """
        if self.is_filtered:
            raise UnsupportedOperationError(f"connection {self.id} has a filter already")
        self._begin_filtering(filter_)

    @property
    def is_filtered(self) -> bool:
        """Whether a filter is on, beside which there is no room for another."""
        return self._filtering is not None

    def _begin_filtering(self, filter_: Filter) -> Filtering:
        self.keep()
        self._filtering = filtering = Filtering(filter_)
        self._plain = False
        self._straight = None
        self._produce_soon()
        return filtering

    def _produce_soon(self) -> None:
        self._host.outbox.producers[self] = None
        self._host.settle_later(self)

    def abandon(self) -> None:
        """See ``Connection.abandon``."""
        super().abandon()
        if self._filtering is not None:
            self._filtering.give_up()

    @property
    def tls(self) -> TlsInfo | None:
        """See ``Conn.tls``."""
        filtering = self._filtering
        info: TlsInfo | None = None if filtering is None else getattr(filtering.filter, "info", None)
        return info

    @property
    def tls_session(self) -> ssl.SSLSession | None:
        """See ``Conn.tls_session``."""
        filtering = self._filtering
        its: ssl.SSLSession | None = None if filtering is None else getattr(filtering.filter, "session", None)
        return its

    # What comes in.

    def listen_for(self, filtering: Filtering) -> None:
        """Receives for a filter's sake as long as only the peer can bring it on."""
        before = self.receiving
        self.entered(self.state)
        if filtering.waits and self.state not in _DEAF:
            self.receiving = True
        if self.receiving != before:
            self._host.settle_later(self)
            if self.receiving and self._host.limits.edge_chunk:
                self._host.receive_again(self)  # the edge may have gone by

    def may_show(self) -> bool:
        """See ``ReadingHalf.may_show``."""
        return self._filtering is None and super().may_show()

    def show(self, lo: int, hi: int) -> bool:
        """See ``ReadingHalf.show``; what a filter makes of the bytes is shown in their place."""
        filtering = self._filtering
        if filtering is None:
            return super().show(lo, hi)
        if not self.receiving and not self.paused:
            return False
        with self._host.inbox.whole[lo:hi] as received:
            plain = self._unwrap(filtering, received)
        if not plain:
            return False
        if not self.wants_input:
            self.store(plain)
            return False
        self.present(plain)
        return True

    def present(self, plain: bytes) -> None:
        """Has a callback that is about to be made read these bytes behind what it has."""
        self.store(plain)

    def take_in(self, received: memoryview) -> bool:
        """See ``ReadingHalf.take_in``."""
        filtering = self._filtering
        if filtering is None:
            return super().take_in(received)
        plain = self._unwrap(filtering, received)
        if not plain:
            return False
        self.store(plain)
        return self.wants_input

    def _unwrap(self, filtering: Filtering, received: memoryview) -> bytes:
        """Returns the plain bytes that the application is to get."""
        its = filtering.filter
        if its.ended or its.failure is not None:
            return b""
        if self.deadlines is not None:  # it is progress, whether or not it makes plain bytes
            self.deadlines.last_in = self._host.time
        held = its.held > 0
        try:
            plain = its.feed(received)
        except Exception as error:
            self.filter_failed(error)
            return b""
        self._host.outbox.producers[self] = None  # an answer, or what it has held
        return self.unwrapped(filtering, held, plain)

    def unwrapped(self, filtering: Filtering, held: bool, plain: bytes) -> bytes:
        """Draws the consequences of what the filter was fed with; ``held`` says whether it held bytes before.

        Returns:
            What of the plain bytes the application is to get.
        """
        its = filtering.filter
        if filtering.upgrade is not None:
            self.was_fed(filtering, filtering.upgrade)
        if held or its.ended or its.failure is not None:
            self.listen_for(filtering)
            self._host.settle_later(self)
        return plain if self.state.receives else b""

    @abc.abstractmethod
    def was_fed(self, filtering: Filtering, upgrade: Upgrade) -> None:
        """The peer has said something in a handshake; what is plain of it is not here yet."""

    def filter_failed(self, error: Exception) -> None:
        """Ends the connection for what a method of its filter has raised."""
        self.reset(CloseReason.ERROR, error)

    # What goes out.

    @property
    def backlogged(self) -> int:
        """See ``WritingHalf.backlogged``; what waits in front of the filter, too."""
        filtering = self._filtering
        return super().backlogged + (0 if filtering is None else filtering.buffered)

    @property
    def file_bytes(self) -> int:
        """See ``WritingHalf.file_bytes``."""
        filtering = self._filtering
        waiting = None if filtering is None else filtering.waiting
        return super().file_bytes + (0 if waiting is None else waiting.in_files)

    def accept(self, chunk: Chunk) -> None:
        """See ``WritingHalf.accept``."""
        if self._filtering is None:
            super().accept(chunk)
        else:
            if not chunk:
                return
            self._filtering.write(chunk)
            self._host.outbox.size += len(chunk)
            self._host.outbox.producers[self] = None

    def accept_file(self, part: FilePart) -> None:
        """See ``WritingHalf.accept_file``; a filter gets it piece by piece."""
        if self._filtering is None:
            super().accept_file(part)
        else:
            self._front = None
            self._filtering.add_file(part, self._host.limits.write_cap)
            self._host.outbox.producers[self] = None

    def produce(self) -> None:
        """See ``Producer.produce``."""
        filtering = self._filtering
        if filtering is None:
            return
        fresh = filtering.fresh
        self._host.outbox.size -= fresh
        if self.state.drops_output:
            filtering.give_up()
        try:
            raw = filtering.produce()
        except ShortFileError as short:
            self.file_ended(short.part)
        except Exception as error:  # the filter's, or of reading a file
            self.filter_failed(error)
        else:
            self.produced(filtering, fresh, raw)

    def produced(self, filtering: Filtering, fresh: int, raw: bytes) -> None:
        """Sends what the filter has made of so many bytes that were written."""
        if raw and not self.state.drops_output and self.state is not State.WRITE_SHUT:  # the FIN was last
            self.send_off(raw)
        if fresh > len(raw):  # what was written counts, also where it takes fewer bytes to say
            self._host.outbox.count(self, fresh - len(raw))
        if filtering.buffered:
            self._check_water()
        waits = filtering.waits
        if waits:
            self.listen_for(filtering)  # be it in a pause, or closing
        usual = self.state.writes and not waits and not filtering.is_blocked
        self._front = filtering.turn if usual else None

    def refill(self) -> None:
        """See ``WritingHalf.refill``."""
        super().refill()
        filtering = self._filtering
        waiting = None if filtering is None else filtering.waiting
        if waiting is None or waiting.is_empty:
            return
        if self._backlog is None or self._backlog.is_empty:
            waiting.allowance = self._host.limits.write_cap
            self._produce_soon()

    def all_said(self, filtering: Filtering) -> bool:
        """Whether the filter has no more to send, so that a FIN may follow; has it say its last before."""
        if filtering.buffered:
            if self._is_stuck(filtering):
                return self._give_up_held(filtering)
            self.listen_for(filtering)
            return False
        if filtering.upgrade is not None and self.state is State.CLOSING:
            return True  # there is nobody yet to say the end to
        if not filtering.finished and self.state in (State.CLOSING, State.SHUTTING):
            try:
                filtering.finish()
            except Exception as error:
                self.filter_failed(error)
            else:
                self._produce_soon()
            return False
        return True

    def _is_stuck(self, filtering: Filtering) -> bool:
        """Whether what the filter holds can never leave, since nothing is fed any more that could free it."""
        closing = self.state is State.CLOSING or self.state is State.SHUTTING
        return closing and filtering.filter.ended and filtering.is_empty

    def _give_up_held(self, filtering: Filtering) -> bool:
        """Ends with an error if bytes are lost; this side's end, that nobody waits for, may be left out.

        Returns:
            Whether the FIN may follow.
        """
        if filtering.finished:
            return True
        text = "the peer has ended before it would take what was written"
        self.end(Event.WRITE_ERROR, CloseReason.ERROR, ConnectionResetError(errno.ECONNRESET, text))
        return False

    # How it ends.

    def find_end(self, filtering: Filtering) -> bool:
        """Ends the connection if its filter has failed; otherwise tells whether the peer has ended, once."""
        its = filtering.filter
        if self.state.drops_output:
            filtering.give_up()
        if filtering.told:
            return False
        if its.failure is not None:
            filtering.told = True
            filtering.give_up()
            self.end(Event.CLOSE, CloseReason.ERROR, its.failure)
            return False
        if its.ended and self.state.receives and not self.paused:
            filtering.told = True
            return True
        return False
