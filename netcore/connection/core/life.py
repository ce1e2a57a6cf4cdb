"""The life of a connection, whatever it carries: asynchronous calls, deadlines and an end."""

from __future__ import annotations

import abc
import errno
import socket
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, ClassVar

from netcore._arguments import check_callback
from netcore._durations import seconds as checked_seconds
from netcore.address import Address
from netcore.buffer import copy_of
from netcore.connection.core.callbacks import notify, react, run
from netcore.connection.core.deadlines import STALL, BaseDeadlines, Deadlines
from netcore.connection.core.ending import Ending
from netcore.connection.core.fields import NO_FIELDS
from netcore.connection.core.host import UNWATCHED, Host
from netcore.connection.core.identity import Identity, next_id
from netcore.connection.core.pledges import PLEDGING, Pledges
from netcore.connection.core.state import TRANSITIONS, Event, State
from netcore.errors import ConnectionClosedError, UnsupportedOperationError
from netcore.handler import Action, Callback, CloseReason, Conn, Timeout

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "CONGESTED",
    "DIALLED",
    "ENROLLED",
    "OWES_END",
    "OWES_TRAFFIC",
    "PAUSED",
    "UPGRADING",
    "Connection",
]

PAUSED, OWES_TRAFFIC, CONGESTED, UPGRADING, DIALLED, ENROLLED, OWES_END = 1, 2, 4, 8, 16, 32, 64
"""What ``_flags`` is made of, in C too: facts seldom asked for, which share one place in each connection."""


class Connection(Identity):
    """A connection that opens, may be called from any thread, and ends once.

    Attributes:
        state: Where in its life it is.
        interest: What the poller watches it for at present, or ``UNWATCHED``.
        deadlines: Those that were set; None if none ever was.
        ending: Why and how it ends, once it does.
    """

    __slots__ = NO_FIELDS

    FIELDS = (
        *Identity.FIELDS,
        "_flags",
        "_pledges",
        "_posted",
        "_reasons",
        "deadlines",
        "ending",
        "interest",
        "state",
    )

    state: State
    interest: int
    ending: Ending | None
    deadlines: BaseDeadlines | None
    _flags: int
    _posted: int
    """Asynchronous writes of the loop's own thread that are not carried out yet: a close comes after them."""
    _pledges: Pledges | None
    _reasons: set[Hashable] | None
    """What reading is paused for; None if it never was."""
    receiving: bool
    """Whether what comes is wanted; a slot of each class."""
    shares_descriptor = False
    """See ``Retired.shares_descriptor``."""

    _make_deadlines: ClassVar[Callable[..., BaseDeadlines]] = Deadlines

    def __init__(
        self, host: Host, fd: int, network: str, remote: bytes | Address, local: Address | None
    ) -> None:
        """Takes over an attached descriptor.

        Args:
            host: The loop that serves it.
            fd: The descriptor.
            network: "tcp", "udp", "kcp" or "unix".
            remote: The peer's address, or its packed name.
            local: This side's address; None to ask the system when it is wanted.
        """
        self.id = next_id()
        self.fd = fd
        self.network = network
        self.context = None
        self._host = host
        self._remote = remote
        self._local = local
        self._opened = host.clock()
        self.bytes_received = self.bytes_sent = 0
        self._flags = 0
        self.state = State.OPEN
        self.interest = UNWATCHED
        self.ending = None
        self.deadlines = None
        self._posted = 0
        self._pledges = None
        self._reasons = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.network} {self.state.label}>"

    # What each kind of connection does in its own way.

    @abc.abstractmethod
    def put(self, chunks: Iterable[bytes]) -> None:
        """Writes pieces on behalf of another thread; after the loop's end this runs on any.

        Raises:
            ConnectionClosedError: As ``write``.
        """

    @abc.abstractmethod
    def forget_input(self) -> None:
        """Drops everything unread."""

    @property
    @abc.abstractmethod
    def backlogged(self) -> int:
        """Bytes that were written and that the kernel has not taken."""

    def ask_kernel(self, kind: Timeout, late: bool) -> None:
        """Receives, or offers to the kernel, what a deadline of this kind is about, before it is met.

        Args:
            kind: Which it is.
            late: Whether this side has stalled. Only then is anything offered: else the poller has told of
                all that the peer has taken, and a kernel whose buffer has some room left, but not enough to
                be writable (tcp(7)), would take more of it for a peer that takes nothing.
        """
        host, deadlines = self._host, self.deadlines
        if kind is not Timeout.WRITE:
            if self.receiving:
                host.receive_now(self)
            elif self.paused and deadlines is not None and self.has_arrivals():
                deadlines.last_in = host.now()
        if late and kind is not Timeout.READ and deadlines is not None and self.backlogged:
            self.offer()
            deadlines.flushed(self.backlogged, host.now())

    @abc.abstractmethod
    def offer(self) -> None:
        """Offers the kernel what is waiting, as if it had been reported to take more."""

    @abc.abstractmethod
    def settle(self) -> None:
        """Draws the consequences of a turn; see ``Host.settle_later``."""

    @abc.abstractmethod
    def entered(self, state: State) -> None:
        """Called after each change of state; each part of a connection draws its own consequences."""

    @property
    def may_leave_input(self) -> bool:
        """See ``Retired.may_leave_input``."""
        return False

    @property
    def leaves_input(self) -> bool:
        """See ``Retired.leaves_input``."""
        return False

    # Facts.

    def _mark(self, flag: int, on: bool) -> None:
        self._flags = self._flags | flag if on else self._flags & ~flag

    def note_origin(self, origin: int) -> None:
        """Notes, before ``on_open``, that it was ``DIALLED`` or ``ENROLLED``; otherwise it was accepted."""
        self._mark(origin, True)

    @property
    def pledged(self) -> int:
        """Bytes of asynchronous writes that are not carried out yet. Any thread."""
        pledges = self._pledges
        return 0 if pledges is None else pledges.size

    @property
    def expects_too_much(self) -> bool:
        """Whether asynchronous writes have brought the output to the high-water mark. Any thread."""
        pledges = self._pledges
        return pledges is not None and pledges.reached

    @property
    @abc.abstractmethod
    def memory_waiting(self) -> int:
        """Bytes of memory that wait for the kernel. Any thread."""

    @property
    def paused(self) -> bool:
        """See ``Conn.paused``."""
        return self._flags & PAUSED != 0

    @property
    def closed(self) -> bool:
        """See ``Conn.closed``."""
        return self.state is State.CLOSING or self.state is State.CLOSED

    @property
    def close_reason(self) -> CloseReason | None:
        """See ``Conn.close_reason``."""
        ending = self.ending
        return None if ending is None else ending.reason

    @contextmanager
    def borrowed(self) -> Iterator[socket.socket]:
        """See ``SocketSettings.borrowed``; the lock keeps the loop from closing the descriptor."""
        with self._locked():
            if self.state is State.CLOSED:
                raise ConnectionClosedError(f"connection {self.id} is closed")
            with self._host.sockets.borrow(self.fd) as sock:
                yield sock

    def has_arrivals(self) -> bool:
        """Whether the kernel holds what has come, for who does not receive; recv(2) with MSG_PEEK."""
        with suppress(OSError, UnsupportedOperationError), self._host.sockets.borrow(self.fd) as sock:
            return bool(sock.recv(1, socket.MSG_PEEK)) or self.network == "udp"
        return False

    # What the application asks for, on any thread.

    def close(self, callback: Callback | None = None) -> None:
        """See ``Conn.close``."""
        check_callback(callback)
        if self._host.in_loop() and not self._posted:
            self._close(callback)
        else:
            self._post(self._close, callback)

    def abort(self) -> None:
        """See ``Conn.abort``."""
        self._on_loop(self.reset, CloseReason.LOCAL)

    def async_write(self, data: Buffer, callback: Callback | None = None) -> None:
        """See ``Conn.async_write``."""
        check_callback(callback)
        owned = copy_of(data)
        self._write_later((owned,), callback)

    def async_writev(self, chunks: Iterable[Buffer], callback: Callback | None = None) -> None:
        """See ``Conn.async_writev``."""
        check_callback(callback)
        owned = tuple(map(copy_of, chunks))
        self._write_later(owned, callback)

    def wake(self, callback: Callback | None = None) -> None:
        """See ``Conn.wake``."""
        check_callback(callback)
        self._ask(self._wake_now, callback)

    def set_deadline(self, seconds: float | None) -> None:
        """See ``Conn.set_deadline``."""
        self._set_deadline(Timeout.IDLE, seconds)

    def set_read_deadline(self, seconds: float | None) -> None:
        """See ``Conn.set_read_deadline``."""
        self._set_deadline(Timeout.READ, seconds)

    def set_write_deadline(self, seconds: float | None) -> None:
        """See ``Conn.set_write_deadline``."""
        self._set_deadline(Timeout.WRITE, seconds)

    def _set_deadline(self, kind: Timeout, seconds: float | None) -> None:
        if seconds is not None:
            seconds = checked_seconds(seconds, "a deadline", positive=True)
        if self.closed or (seconds is None and self.deadlines is None):
            return
        now = self._host.now()
        if self.deadlines is None:
            self.deadlines = self._make_deadlines(now, self._timed_out, self.ask_kernel)
            outbound = self.outbound_buffered
            if outbound:
                self.deadlines.queued(outbound - self.pledged)
                self._host.settle_later(self)  # output that waits already is timed from here on
        self.deadlines.set(kind, seconds, now)
        self._host.plan(self.deadlines)

    def _timed_out(self, kind: Timeout) -> None:
        def call(conn: Conn) -> None:
            on_timeout = self._host.handler.on_timeout
            action = on_timeout(conn, kind)
            if action is Action.CLOSE:
                self._end_late(kind)
            elif action is not None:
                react(self._host, self, on_timeout, action)

        if not self.closed:
            run(self._host, self, call)

    def _end_late(self, kind: Timeout) -> None:
        error = TimeoutError(errno.ETIMEDOUT, f"the {kind.value} deadline has passed")
        if kind is Timeout.WRITE:  # a flush would wait for the very peer that takes nothing
            self.reset(CloseReason.TIMEOUT, error)
        else:
            self.end(Event.CLOSE, CloseReason.TIMEOUT, error)

    def _post(self, function: Callable[..., object], *args: object) -> None:
        """Has a call carried out after those posted before it, a close on the loop's own thread included."""
        if self._host.in_loop():
            self._posted += 1
            self._host.post(self._carry_out, function, *args)
        else:
            self._ask(function, *args)

    def _carry_out(self, function: Callable[..., object], *args: object) -> None:
        self._posted -= 1
        function(*args)

    def _on_loop(self, function: Callable[..., object], *args: object) -> None:
        if self._host.in_loop():
            function(*args)
        else:
            self._ask(function, *args)

    def _ask(self, function: Callable[..., object], *args: object) -> None:
        """Has the loop call a function; the connection stays that loop's until it has."""
        with PLEDGING:
            (self._pledges or self._make_pledges()).asked += 1
        self._host.post(self._asked, function, *args)

    def _asked(self, function: Callable[..., object], *args: object) -> None:
        pledges = self._pledges
        assert pledges is not None
        with PLEDGING:
            pledges.asked -= 1
        function(*args)

    @property
    def is_asked(self) -> bool:
        """Whether the loop has calls of other threads to carry out."""
        pledges = self._pledges
        return pledges is not None and (pledges.calls or pledges.asked) > 0

    def _close(self, callback: Callback | None) -> None:
        reason = CloseReason.EOF if self.state is State.PEER_CLOSED else CloseReason.LOCAL
        ending = self.end(Event.CLOSE, reason)
        if callback is not None:
            if ending.over:
                self._host.post(notify, self._host, self, callback, None)
            else:
                ending.callbacks.append(callback)

    def fail(self, error: Exception) -> None:
        """See ``Served.fail``; after the asynchronous writes that were made before it, as a close is."""
        if self._posted:
            self._post(self._close_for, error)
        else:
            self._close_for(error)

    def _close_for(self, error: Exception) -> None:
        if not self.closed:
            sound = self.state.receives and not self.state.drops_output
            self.end(Event.CLOSE, CloseReason.ERROR, error).sound = sound

    def _write_later(self, chunks: Sequence[bytes], callback: Callback | None) -> None:
        size = sum(map(len, chunks))
        if not size:
            self._post(self._write_now, chunks, callback)
            return
        pledges = self._pledges or self._make_pledges()
        limits = self._host.limits
        first = not pledges.refused
        if first and not pledges.promise(size, self.memory_waiting, limits.max_outbound, limits.high_water):
            if self._host.in_loop():
                self._post(self._write_now, chunks, callback)
            else:
                self._host.post(self._write_now, chunks, callback)
        elif first or callback is not None:  # nothing follows a hole
            self._post(self._refuse, callback)

    def _make_pledges(self) -> Pledges:
        with PLEDGING:
            if self._pledges is None:
                self._pledges = Pledges()
            return self._pledges

    def _refuse(self, callback: Callback | None) -> None:
        """Ends the connection as a write beyond the maximum does."""
        if not self.closed:
            text = f"more than {self._host.limits.max_outbound} bytes wait for the peer"
            self.reset(CloseReason.OVERFLOW, OSError(errno.ENOBUFS, text))
        if callback is not None:
            text = f"connection {self.id} is {self.state.label}, and this was not written"
            code = errno.ENOBUFS if self.close_reason is CloseReason.OVERFLOW else errno.ENOTCONN
            notify(self._host, self, callback, ConnectionClosedError(code, text))

    def _redeem(self, chunks: Sequence[bytes]) -> None:
        """Takes back from the account what is to be written now."""
        size = sum(map(len, chunks))
        if size and self._pledges is not None:
            if self._pledges.redeem(size) and self.state.writes:
                self._mark(CONGESTED, True)
            if self._flags & CONGESTED:
                self._host.settle_later(self)

    def _write_now(self, chunks: Sequence[bytes], callback: Callback | None) -> None:
        self._redeem(chunks)
        error: Exception | None = None
        try:
            self.put(chunks)
        except ConnectionClosedError as closed:
            error = closed
        if callback is not None:
            notify(self._host, self, callback, error)

    def _wake_now(self, callback: Callback | None) -> None:
        error: Exception | None = None
        if self.closed:
            error = ConnectionClosedError(f"connection {self.id} is {self.state.label}")
        else:
            run(self._host, self, self._host.handler.on_traffic)
        if callback is not None:
            notify(self._host, self, callback, error)

    def watch_for(self, wanted: int) -> None:
        """Has the poller watch for something else; if it refuses, that is the end of the connection."""
        if wanted == self.interest:
            return
        try:
            self._host.watch(self.fd, self.interest, wanted)
        except Exception as error:
            self.reset(CloseReason.ERROR, error)
        else:
            self.interest = wanted

    # How it ends.

    def advance(self, event: Event) -> None:
        """Moves on in ``TRANSITIONS`` and has the connection looked at again at the end of the turn."""
        known = TRANSITIONS[self.state]
        # A finalizer may close it between what has led to an event and here; that comes too late then.
        state = known.get(event, self.state) if self.closed else known[event]
        if state is not self.state:
            self.state = state
            self.entered(state)
        self._host.settle_later(self)

    def end(self, event: Event, reason: CloseReason, error: Exception | None = None) -> Ending:
        """Begins, or hastens, the end of the connection. The first reason and the first error stay."""
        ending = self.ending
        if ending is None:
            made = Ending(reason)
            self.ending = ending = self.ending or made  # a finalizer may have begun it in between
        if ending.error is None:
            ending.error = error
        self.advance(event)
        return ending

    def fault(self, error: Exception) -> None:
        """See ``Payer.fault``: ends the connection with RST, without what is unread, and at once if need be.

        What is unread may have lost a part, and takes memory.
        """
        self.forget_input()
        if self.state is not State.CLOSED:
            self.reset(CloseReason.ERROR, error)
        elif self.ending is not None and not self.ending.over:
            self.leave()

    def leave(self) -> None:
        """Has the loop let go of it, whose life is over."""
        self._host.retire(self)

    def abandon(self) -> None:
        """Closes this process's side of it, in a forked child, and tells nobody."""
        self.state = State.CLOSED
        self.entered(State.CLOSED)
        self.ending = Ending(CloseReason.SHUTDOWN)
        self.ending.over = True

    def reset(self, reason: CloseReason, error: Exception | None = None) -> None:
        """Closes with RST at the end of the turn."""
        self.end(Event.ABORT, reason, error).reset = True

    def shut_down(self) -> None:
        """Closes gracefully because the engine stops."""
        self.end(Event.CLOSE, CloseReason.SHUTDOWN)

    def await_flush(self) -> None:
        """Has the peer given up on when it does not take what is buffered in time."""
        ending = self.ending
        if ending is not None and ending.timer is None:
            self._give_time(ending, self._host.limits.close_timeout)

    def _give_time(self, ending: Ending, seconds: float) -> None:
        ending.due = self._host.now() + seconds
        ending.timer = self._host.schedule(seconds, self.give_up)

    def give_up(self) -> None:
        """Resets a connection that is closing still, unless it is this side that was too slow.

        What the kernel takes now it would have taken in time if the loop had not stalled. If it takes all,
        the end is as orderly as it would have been, and if it takes some the stall is not the peer's loss.
        """
        ending = self.ending
        if self.state is not State.CLOSING or ending is None:
            return
        late = self._host.now() - ending.due
        before = self.outbound_buffered - self.pledged
        self.offer()
        left = self.outbound_buffered - self.pledged
        if before and not left:
            ending.timer = None  # ``settle`` is about to end it
        elif left < before and late > STALL:
            self._give_time(ending, late)
        else:
            error = TimeoutError("the peer did not take the buffered output in time")
            self.reset(CloseReason.LOCAL, error)

    def end_deadlines(self) -> None:
        """Ends the deadlines of a connection that is gone."""
        if self.deadlines is not None:
            self.deadlines.disarm()
            self._host.unplan(self.deadlines)

    def ended(self) -> None:
        """Tells the handler, once, after the descriptor has been closed."""
        ending = self.ending
        if ending is None or ending.over:
            return
        ending.over = True
        if ending.timer is not None:
            ending.timer.cancel()
        self.end_deadlines()
        run(self._host, self, self._host.handler.on_close, ending.error)
        for callback in ending.callbacks:
            notify(self._host, self, callback, None)
        ending.callbacks = []
        self.forget_input()
