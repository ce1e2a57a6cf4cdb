"""A stream connection: TCP or Unix, from ``on_open`` to ``on_close``."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from netcore._native import error as system_error
from netcore.address import Address
from netcore.connection.core import (
    CONGESTED,
    NO_FIELDS,
    OWES_END,
    OWES_TRAFFIC,
    TRANSITIONS,
    UNWATCHED,
    Event,
    State,
    checking,
    run,
)
from netcore.connection.stream.moving import MovableHalves
from netcore.connection.stream.outbox import Outbox, StreamHost
from netcore.connection.stream.writing import LARGE
from netcore.errors import ConnectionClosedError, UnsupportedOperationError
from netcore.handler import CloseReason
from netcore.poll import Interest, Readiness
from netcore.sockets import is_in_trouble, take_errors

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["BaseStream", "CheckedStreamConnection", "StreamConnection"]

_READ, _WRITE, _EDGE = int(Interest.READ), int(Interest.WRITE), int(Interest.EDGE)
_ERROR = int(Readiness.ERROR)
_REST = 0.01
"""Seconds for which a socket is left alone whose poller has reported an error that it does not have."""

_NOTHING_FOLLOWS = (CloseReason.EOF, CloseReason.ERROR)
_WOULD_BLOCK = (-errno.EAGAIN, -errno.EWOULDBLOCK, -errno.EINTR)


class BaseStream(MovableHalves):
    """Joins the two halves: what events do to the connection, and how it ends."""

    __slots__ = NO_FIELDS

    # What the application asks for, on any thread.

    def shutdown_write(self) -> None:
        """See ``Conn.shutdown_write``; shutdown(2) with SHUT_WR."""
        if self.closed:
            raise ConnectionClosedError(f"connection {self.id} is {self.state.label}")
        if self.state is State.PEER_CLOSED:
            self.end(Event.SHUTDOWN_WRITE, CloseReason.EOF)
        elif self.state is not State.FAILED:
            self.advance(Event.SHUTDOWN_WRITE)

    def put(self, chunks: Iterable[bytes]) -> None:
        """See ``Connection.put``."""
        for chunk in chunks:
            # Not what a class has that checks the thread: after the loop's end this runs on any.
            BaseStream.write(self, chunk)

    def go_on(self) -> None:
        """See ``PausableConnection.go_on``."""
        if self.closed:
            return
        self.set_paused(False)
        if self._host.limits.edge_chunk:
            self._host.receive_again(self)  # the edge may have gone by in the turn of the pause
        if self.inbound_buffered or self._flags & OWES_END:
            self._mark(OWES_TRAFFIC, True)
            self._host.post(self._pay_traffic)

    def owe_traffic(self) -> None:
        """Has ``on_traffic`` called when reading goes on, be there something unread by then or not."""
        self._mark(OWES_END, True)

    def _pay_traffic(self) -> None:
        if self._flags & OWES_TRAFFIC:
            self._mark(OWES_TRAFFIC, False)
            if not self.closed and (not self.paused or self.state is State.FAILED):
                self._mark(OWES_END, False)
                run(self._host, self, self._host.handler.on_traffic)

    # What the loop reports.

    def received_nothing(self, result: int) -> None:
        """Handles a receive that brought no bytes.

        Args:
            result: 0 for the end of the stream, else a negative errno.
        """
        if self._flags & OWES_TRAFFIC and (result not in _WOULD_BLOCK or self.state is State.FAILED):
            self._pay_traffic()  # what came before the end is shown before the end
        if result == 0:
            if self.receiving:
                self._stream_ended()
        elif result not in _WOULD_BLOCK:
            if Event.READ_ERROR in TRANSITIONS[self.state]:
                self.end(Event.READ_ERROR, CloseReason.ERROR, system_error(result))
            elif self.receiving:  # for the sake of a filter
                self.end(Event.WRITE_ERROR, CloseReason.ERROR, system_error(result))
        elif self.state is State.FAILED:  # drained; there is no end of the stream to wait for
            self.end(Event.READ_ERROR, CloseReason.ERROR)

    def _stream_ended(self) -> None:
        filtering = self._filtering
        if filtering is None:
            self._peer_closed()
            return
        try:
            error = filtering.filter.end_of_stream()
        except Exception as raised:
            self.filter_failed(raised)
            return
        if self.state is State.CLOSING:  # received for the filter, and what it holds cannot leave now
            self.end(Event.WRITE_ERROR, CloseReason.ERROR, error or system_error(-errno.ECONNRESET))
        elif error is not None and Event.READ_ERROR in TRANSITIONS[self.state]:
            self.end(Event.READ_ERROR, CloseReason.ERROR, error)
        else:
            self._peer_closed()

    def _peer_closed(self) -> None:
        if self.state is State.FAILED:
            self.advance(Event.PEER_FIN)
            return
        if self.state is State.OPEN:
            self.advance(Event.PEER_FIN)
        else:  # this side's FIN is sent or owed: nothing can follow
            self.end(Event.PEER_FIN, CloseReason.EOF)
        run(self._host, self, self._host.handler.on_eof)

    def write_failed(self, code: int) -> None:
        """Handles a send that failed with a negative errno."""
        if Event.WRITE_ERROR in TRANSITIONS[self.state]:
            self._fail(system_error(code))
        elif self.state is State.FAILED and self.ending is not None and self.ending.error is None:
            self.ending.error = system_error(code)

    def troubled(self, readiness: int) -> None:
        """Handles an error or a hang-up of the socket while nothing is received, as in a pause.

        With output waiting the next send finds out. Otherwise nobody would: not the application, which a
        reset must reach also when it neither reads nor writes, nor the poller, which repeats itself.
        """
        if readiness & _ERROR and self._explained(readiness):
            return
        if self.receiving or self._backlog is not None:
            return
        if readiness & _ERROR:
            if Event.WRITE_ERROR in TRANSITIONS[self.state]:
                self._fail(self._socket_error())
        elif self.interest >= 0:  # both directions have ended in order: it is seen when reading resumes
            self._host.watch(self.fd, self.interest, UNWATCHED)
            self.interest = UNWATCHED

    def _explained(self, readiness: int) -> bool:
        """Empties the error queue; whether there was no more to an error than that, or nothing at all.

        Of the latter a poller is not to repeat itself in every turn.
        """
        sockets = self._host.sockets
        if take_errors(sockets, self.fd)[1]:
            return not is_in_trouble(sockets, self.fd)
        if is_in_trouble(sockets, self.fd):
            return False
        if self.interest != UNWATCHED and not self._host.limits.edge_chunk:
            self._host.watch(self.fd, self.interest, UNWATCHED)
            self.interest = UNWATCHED
            self._host.schedule(_REST, self._rested)
        return True

    def _rested(self) -> None:
        if self.interest == UNWATCHED and self.state not in (State.FAILED, State.CLOSED):
            self.watch_for((_READ if self.receiving else 0) | (_WRITE if self._awaits_room() else 0))

    def _fail(self, error: OSError) -> None:
        """Begins to drain the connection; what a pause has held back is shown before its end, too."""
        self.end(Event.WRITE_ERROR, CloseReason.ERROR, error)
        if self.paused and self.inbound_buffered:
            self._mark(OWES_TRAFFIC, True)

    @property
    def may_leave_input(self) -> bool:
        """See ``Retired.may_leave_input``; past the peer's FIN, or an error of the socket, nothing comes."""
        ending = self.ending
        if ending is None or ending.reset:
            return False
        return ending.sound or ending.reason not in _NOTHING_FOLLOWS

    @property
    def leaves_input(self) -> bool:
        """See ``Retired.leaves_input``; a stop closes idle connections too, and assumes no such thing."""
        if not self._host.limits.linger or not self.may_leave_input:
            return False
        return self.ending is not None and self.ending.reason is not CloseReason.SHUTDOWN

    def _socket_error(self) -> OSError:
        """Fetches the error that the poller has reported; SO_ERROR of socket(7)."""
        code = 0
        with suppress(OSError, UnsupportedOperationError), self._host.sockets.borrow(self.fd) as sock:
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return system_error(-(code or errno.ECONNRESET))

    def offer(self) -> None:
        """See ``Connection.offer``."""
        self.refill()
        self._host.outbox.flush_early()
        self.send_files()

    def settle(self) -> None:
        """Draws the consequences of a turn, after its output has been offered to the kernel."""
        if self.ending is not None and self.ending.over:
            return
        filtering = self._filtering
        if filtering is not None and self.find_end(filtering):
            self._pay_traffic()
            self._peer_closed()
        if self._backlog is not None:
            self.send_files()
            self.tidy()
        goes_straight = self._backlog is None and filtering is None and self.state.writes
        self._straight = self._host.outbox if goes_straight else None
        if self.deadlines is not None:
            self.deadlines.flushed(self.backlogged, self._host.now())
            self._host.plan(self.deadlines)
        if self._backlog is None and (filtering is None or self.all_said(filtering)):
            self._flushed()
        if self.state is State.CLOSED:
            self.leave()
            return
        if self.state is State.CLOSING:
            self.await_flush()
        elif self.state is State.FAILED:
            self._host.receive_again(self)
        self._watch()
        if self.congested and self.backlogged + self.pledged <= self._host.limits.low_water:
            if self._host.outbox.has_had_share(self):
                self._host.settle_next_turn(self)
                return
            self._mark(CONGESTED, False)
            if self.state.writes:
                run(self._host, self, self._host.handler.on_writable)

    def leave(self) -> None:
        """See ``Connection.leave``; what the outbox still has of it is sent to nobody."""
        self.wire = -1
        super().leave()

    def _awaits_room(self) -> bool:
        """Whether there is output for the next time that the socket is writable."""
        filtering = self._filtering
        return self._backlog is not None or (filtering is not None and not filtering.is_empty)

    def _flushed(self) -> None:
        if self.state is State.CLOSING:
            self.advance(Event.FLUSHED)
        elif self.state is State.SHUTTING:
            self.advance(Event.FLUSHED)
            self._host.sockets.shutdown_write(self.fd)

    def _watch(self) -> None:
        # A failed socket stays readable for ever, and is drained without asking the poller.
        if self.state is State.FAILED:
            wanted = UNWATCHED
        else:
            wanted = (_READ if self.receiving else 0) | (_WRITE if self._awaits_room() else 0)
            if not wanted and self.interest == UNWATCHED:  # hung up: it would be reported for ever
                return
        if wanted != UNWATCHED and self._host.limits.edge_chunk:
            wanted |= _EDGE
            # An edge is reported once. If the kernel took all it was offered there will be no other,
            # unless it is asked anew.
            blocked = self._backlog is not None and self._backlog.blocked
            if wanted & _WRITE and not blocked and wanted == self.interest:
                self.interest = _EDGE
        self.watch_for(wanted)


class StreamConnection(BaseStream):
    """A stream connection in Python; ``HotStreamConnection`` is the same with its hot half in C."""

    __slots__ = BaseStream.FIELDS

    _straight: Outbox | None

    def __init__(
        self,
        host: StreamHost,
        fd: int,
        network: str,
        remote: bytes | Address,
        local: Address | None,
    ) -> None:
        """Takes over an attached descriptor; see ``Connection``.

        The halves have no constructors of their own, whose calls would cost 1 of the 20 µs of a short
        connection.
        """
        super().__init__(host, fd, network, remote, local)
        self._lo = self._hi = 0
        self._kept = None
        self.receiving = self._plain = True
        self.wire = fd
        self._backlog = None
        self._straight = cast("Outbox", host.outbox)
        self._filtering = self._front = None

    def rebind(self, host: StreamHost, /) -> None:
        """See ``MovableHalves.rebind``."""
        if self._straight is not None:
            self._straight = cast("Outbox", host.outbox)

    def write(self, data: Buffer) -> int:
        """See ``Conn.write``."""
        if type(data) is not bytes or not data or (outbox := self._straight) is None:
            return super().write(data)
        n = len(data)
        if n >= LARGE and not outbox.entries:
            return super().write(data)
        outbox.entries.append((self, data))
        outbox.size = size = outbox.size + n
        if self.deadlines is not None:
            self.deadlines.wrote(n, self._host.time)
        if size >= outbox.limit:
            self._flush_early()
        return n


@checking
class CheckedStreamConnection(StreamConnection):
    """Raises ``WrongThreadError`` where a method of the loop's thread is called on another one."""

    __slots__ = ()
