"""A session: a stream whose bytes come, and leave, as datagrams of somebody else's socket.

What it writes goes through a filter, which makes datagrams of it and holds it until the peer has got it; what
comes has been put in order before. So order, bounds, water marks and deadlines are those of every stream.
Here is what a stream would ask of a descriptor of its own.
"""

from __future__ import annotations

from typing import NoReturn, Protocol

from netcore.address import Address
from netcore.connection.core import NO_FIELDS, UNWATCHED, Event, State, checking, run
from netcore.connection.stream.connection import BaseStream, StreamConnection
from netcore.connection.stream.filtering import Filtering
from netcore.connection.stream.filters import Filter
from netcore.connection.stream.outbox import StreamHost
from netcore.connection.stream.stacked import StackedFilters
from netcore.errors import UnsupportedOperationError
from netcore.handler import Timeout
from netcore.sockets import unpack_name

__all__ = ["BaseSession", "CheckedSessionConnection", "Session", "SessionConnection"]


class Session(Filter, Protocol):
    """What makes a stream of datagrams, and what its connection tells it. The loop's thread."""

    fd: int
    """The socket, which others use as well."""

    def take(self, datagram: bytes, now: float) -> bool:
        """Takes a datagram, at this time of the loop's clock; returns whether it was any good."""

    def drain(self) -> bytes:
        """Returns what has come of the stream. What is left here closes the window that the peer is told."""

    def over(self) -> None:
        """The connection is gone; nothing is asked of this any more."""


class BaseSession(BaseStream):
    """The connection of a session.

    Attributes:
        session: What makes it a stream.
    """

    __slots__ = NO_FIELDS

    shares_descriptor = True
    """See ``Retired.shares_descriptor``."""
    session: Session

    def __init__(self, host: StreamHost, session: Session, remote: bytes | Address, local: Address) -> None:
        """Makes the connection of a session; see ``Connection`` for the addresses."""
        super().__init__(host, session.fd, local.network, remote, local)
        self.session = session
        self.wire = UNWATCHED  # its output leaves another way, and nothing is ever sent to a descriptor
        super()._begin_filtering(session)

    @property
    def is_filtered(self) -> bool:
        """See ``FilteredHalves.is_filtered``; above that of the session."""
        return self._filtering is not None and self._filtering.filter is not self.session

    def _begin_filtering(self, filter_: Filter) -> Filtering:
        """Puts a filter on above the session's; what was written before goes past it."""
        before = self._filtering
        assert before is not None
        if before.is_blocked:
            text = f"connection {self.id} has a file to send first: a filter can be put on behind that"
            raise UnsupportedOperationError(text)
        self.produce()
        return super()._begin_filtering(StackedFilters(filter_, self.session))

    @property
    def remote_address(self) -> Address:
        """See ``Conn.remote_address``."""
        remote = self._remote
        if isinstance(remote, bytes):
            self._remote = remote = unpack_name(remote, self.network)
        assert isinstance(remote, Address)
        return remote

    def take(self, datagram: bytes, now: float) -> bool:
        """Takes a datagram of the session's; returns whether it was any good."""
        if not self.session.take(datagram, now):
            return False
        host, filtering, deadlines = self._host, self._filtering, self.deadlines
        assert filtering is not None
        self.bytes_received += len(datagram)
        host.outbox.producers[self] = None  # receipts, and what those of the peer have set free
        times_output = False
        if deadlines is not None:
            deadlines.last_in = host.time
            times_output = deadlines.times_output
        if times_output or self.state is not State.OPEN or self.congested:
            host.settle_later(self)
        if filtering.is_blocked and filtering.held <= host.limits.write_cap:
            self.refill()  # with the next part of a file
        return True

    def show_what_came(self) -> None:
        """Calls ``on_traffic`` if the last datagrams have brought something, and it is wanted."""
        host = self._host
        if self.paused or not (came := self.session.drain()):
            return
        if self.is_filtered:
            if self.take_in(memoryview(came)):
                run(host, self, host.handler.on_traffic)
        elif self.receiving:
            host.counters.messages += 1
            self.present(came)
            run(host, self, host.handler.on_traffic)
            if self._lo != self._hi:
                self.keep()

    def take_in(self, received: memoryview) -> bool:
        """See ``ReadingHalf.take_in``; what comes of datagrams."""
        if self.is_filtered:
            return super().take_in(received)
        if self.state.receives:
            self.store(received)
        return self.wants_input

    def produced(self, filtering: Filtering, fresh: int, raw: bytes) -> None:
        """See ``FilteredHalves.produced``; what the session holds keeps nothing from following it."""
        if self.is_filtered or filtering.is_blocked:
            super().produced(filtering, fresh, raw)
            return
        if fresh:
            self._host.outbox.count(self, fresh)
        if self.session.held >= self._host.limits.high_water:
            self._check_water()
        self._front = filtering.turn if self.state.writes else None

    def go_on(self) -> None:
        """See ``PausableConnection.go_on``; in a pause the session keeps what comes."""
        if not self.closed and (waited := self.session.drain()):
            self.take_in(memoryview(waited))
            self._produce_soon()  # to say that there is room
        super().go_on()

    def ask_kernel(self, kind: Timeout, late: bool) -> None:
        """See ``Connection.ask_kernel``; the socket is received from whether or not this wants to read."""
        if kind is not Timeout.WRITE and not self.receiving:
            self._host.receive_now(self)
        super().ask_kernel(kind, late)

    def has_arrivals(self) -> bool:
        """See ``Connection.has_arrivals``: what has come is taken in a pause, too."""
        return False

    def _is_stuck(self, filtering: Filtering) -> bool:
        """See ``FilteredHalves``: receipts are heard whatever the peer has ended.

        Only that of the goodbye is not waited for: a peer that has said its own may be gone.
        """
        return filtering.finished and super()._is_stuck(filtering)

    def give_up(self) -> None:
        """See ``Connection.give_up``; where all but the goodbye is acknowledged, nothing is lost."""
        filtering = self._filtering
        if self.state is State.CLOSING and filtering is not None and filtering.finished:
            self.advance(Event.FLUSHED)
            self._host.settle_later(self)
        else:
            super().give_up()

    def watch_for(self, wanted: int) -> None:
        """See ``Connection.watch_for``: whose socket it is has it watched."""

    @property
    def may_leave_input(self) -> bool:
        """See ``Retired.may_leave_input``."""
        return False

    def leave(self) -> None:
        """See ``Connection.leave``."""
        self.session.over()
        super().leave()

    def abandon(self) -> None:
        """See ``Connection.abandon``."""
        super().abandon()
        self.session.over()

    def shutdown_write(self) -> None:
        """See ``Conn.shutdown_write``; UnsupportedOperationError."""
        self._cannot("shutdown_write", "its protocol knows no end of one direction")

    def dup(self) -> int:
        """See ``Conn.dup``; UnsupportedOperationError."""
        self._cannot("dup", "its socket is shared by others")

    def _cannot(self, method: str, why: str) -> NoReturn:
        raise UnsupportedOperationError(f"{method} of connection {self.id}, a session: {why}")


class SessionConnection(BaseSession, StreamConnection):
    """The connection of a session in Python; ``HotSessionConnection`` is the same on a hot half in C."""

    __slots__ = ("session",)


@checking
class CheckedSessionConnection(SessionConnection):
    """Raises ``WrongThreadError`` where a method of the loop's thread is called on another one."""

    __slots__ = ()
