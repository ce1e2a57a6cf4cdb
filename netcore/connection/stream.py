"""A stream connection: TCP or Unix, from ``on_open`` to ``on_close``."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from netcore._native import error as system_error
from netcore.connection.callbacks import notify, run
from netcore.connection.deadlines import Deadlines
from netcore.connection.outbound import OutboundStream
from netcore.connection.state import TRANSITIONS, Event, State
from netcore.errors import ConnectionClosedError
from netcore.handler import Action, Callback, CloseReason, Timeout
from netcore.poll import Interest

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from netcore.address import Address
    from netcore.connection.host import Host

__all__ = ["StreamConnection"]

_READ, _WRITE, _EDGE = int(Interest.READ), int(Interest.WRITE), int(Interest.EDGE)
_WOULD_BLOCK = (-errno.EAGAIN, -errno.EWOULDBLOCK, -errno.EINTR)


class StreamConnection(OutboundStream):
    """Joins the two halves: what events do to the connection, and how it ends."""

    __slots__ = ("_owes_traffic",)

    def __init__(
        self, host: Host, fd: int, network: str, remote: bytes | Address, local: Address | None
    ) -> None:
        super().__init__(host, fd, network, remote, local)
        # Whether bytes that a pause has held back are still to be shown.
        self._owes_traffic = False

    # What the application asks for, on any thread.

    def pause_reading(self) -> None:
        """See ``Conn.pause_reading``."""
        self._on_loop(self._pause)

    def resume_reading(self) -> None:
        """See ``Conn.resume_reading``."""
        self._on_loop(self._resume)

    def close(self, callback: Callback | None = None) -> None:
        """See ``Conn.close``."""
        self._on_loop(self._close, callback)

    def abort(self) -> None:
        """See ``Conn.abort``."""
        self._on_loop(self.reset, CloseReason.LOCAL)

    def async_write(self, data: Buffer, callback: Callback | None = None) -> None:
        """See ``Conn.async_write``."""
        self._host.post(
            self._write_now, (data if type(data) is bytes else bytes(memoryview(data)),), callback
        )

    def async_writev(self, chunks: Iterable[Buffer], callback: Callback | None = None) -> None:
        """See ``Conn.async_writev``."""
        owned = tuple(data if type(data) is bytes else bytes(memoryview(data)) for data in chunks)
        self._host.post(self._write_now, owned, callback)

    def wake(self, callback: Callback | None = None) -> None:
        """See ``Conn.wake``."""
        self._host.post(self._wake_now, callback)

    def shutdown_write(self) -> None:
        """See ``Conn.shutdown_write``; shutdown(2) with SHUT_WR."""
        if self.closed:
            raise ConnectionClosedError(f"connection {self.id} is {self.state.label}")
        if self.state is State.PEER_CLOSED:
            self.end(Event.SHUTDOWN_WRITE, CloseReason.EOF)
        elif self.state is not State.FAILED:
            self.advance(Event.SHUTDOWN_WRITE)

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
        if seconds is not None and not 0 < seconds < float("inf"):
            raise ValueError(f"a deadline is {seconds!r}: it must be seconds above zero, or None")
        if self.closed or (seconds is None and self.deadlines is None):
            return
        now = self._host.now()
        if self.deadlines is None:
            self.deadlines = Deadlines(now, self._timed_out)
            self.deadlines.queued(self.outbound_buffered)
        self.deadlines.set(kind, seconds, now)
        self._host.plan(self.deadlines)
        self._host.settle_later(self)  # writes are counted from here on

    def _timed_out(self, kind: Timeout) -> None:
        def call(conn: StreamConnection) -> object:
            action = self._host.handler.on_timeout(conn, kind)
            if action is not Action.CLOSE:
                return action
            error = TimeoutError(errno.ETIMEDOUT, f"the {kind.value} deadline has passed")
            self.end(Event.CLOSE, CloseReason.TIMEOUT, error)
            return None

        if not self.closed:
            run(self._host, self, call)

    def _on_loop(self, function: Callable[..., object], *args: object) -> None:
        if self._host.in_loop():
            function(*args)
        else:
            self._host.post(function, *args)

    def _pause(self) -> None:
        self.set_paused(True)

    def _resume(self) -> None:
        if not self.paused or self.closed:
            return
        self.set_paused(False)
        if self._host.limits.edge_chunk:
            self._host.receive_again(self)  # the edge may have gone by in the turn of the pause
        if self.inbound_buffered:
            self._owes_traffic = True
            self._host.post(self._pay_traffic)

    def _pay_traffic(self) -> None:
        if self._owes_traffic:
            self._owes_traffic = False
            if not self.closed and not self.paused:
                run(self._host, self, self._host.handler.on_traffic)

    def _close(self, callback: Callback | None) -> None:
        reason = CloseReason.EOF if self.state is State.PEER_CLOSED else CloseReason.LOCAL
        ending = self.end(Event.CLOSE, reason)
        if callback is not None:
            if ending.over:
                self._host.post(notify, self._host, self, callback, None)
            else:
                ending.callbacks.append(callback)

    def _write_now(self, chunks: Iterable[bytes], callback: Callback | None) -> None:
        error: Exception | None = None
        try:
            for chunk in chunks:
                # Not that of a class that checks the thread: after the loop's end this runs on any.
                StreamConnection.write(self, chunk)
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

    # What the loop reports.

    def received_nothing(self, result: int) -> None:
        """Handles a receive that brought no bytes.

        Args:
            result: 0 for the end of the stream, else a negative errno.
        """
        if self._owes_traffic and result not in _WOULD_BLOCK:
            self._pay_traffic()  # what came before the end is shown before the end
        if result == 0:
            if self.receiving:
                self._peer_closed()
        elif result not in _WOULD_BLOCK:
            if Event.READ_ERROR in TRANSITIONS[self.state]:
                self.end(Event.READ_ERROR, CloseReason.ERROR, system_error(result))
        elif self.state is State.FAILED:  # drained; there is no end of the stream to wait for
            self.end(Event.READ_ERROR, CloseReason.ERROR)

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
            self.end(Event.WRITE_ERROR, CloseReason.ERROR, system_error(code))

    def reset(self, reason: CloseReason, error: Exception | None = None) -> None:
        """Closes with RST at the end of the turn."""
        self.end(Event.ABORT, reason, error).reset = True

    def shut_down(self) -> None:
        """Closes gracefully because the engine stops."""
        self.end(Event.CLOSE, CloseReason.SHUTDOWN)

    def settle(self) -> None:
        """Draws the consequences of a turn, after its output has been offered to the kernel."""
        if self.ending is not None and self.ending.over:
            return
        self.tidy()
        if self.deadlines is not None:
            self.deadlines.flushed(self.backlogged, self._host.now())
            self._host.plan(self.deadlines)
        if self._backlog is None:
            self._flushed()
        if self.state is State.CLOSED:
            self._host.retire(self)
            return
        if self.state is State.CLOSING:
            self._await_flush()
        elif self.state is State.FAILED:
            self._host.receive_again(self)
        self._watch()
        if self.congested and self.backlogged <= self._host.limits.low_water:
            self.congested = False
            if self.state.writes:
                run(self._host, self, self._host.handler.on_writable)

    def _flushed(self) -> None:
        if self.state is State.CLOSING:
            self.advance(Event.FLUSHED)
        elif self.state is State.SHUTTING:
            self.advance(Event.FLUSHED)
            self._host.sockets.shutdown_write(self.fd)

    def _await_flush(self) -> None:
        ending = self.ending
        if ending is not None and ending.timer is None:
            ending.timer = self._host.schedule(self._host.limits.close_timeout, self._give_up)

    def _give_up(self) -> None:
        if self.state is State.CLOSING:
            self.reset(CloseReason.LOCAL, TimeoutError("the peer did not take the buffered output in time"))

    def _watch(self) -> None:
        # A failed socket stays readable for ever, and is drained without asking the poller.
        wanted = _READ if self.receiving and self.state is not State.FAILED else 0
        if self._backlog is not None:
            wanted |= _WRITE
        if wanted and self._host.limits.edge_chunk:
            wanted |= _EDGE
            # An edge is reported once. If the kernel took all it was offered there will be no other,
            # unless it is asked anew.
            if self._backlog is not None and not self._blocked and wanted == self.interest:
                self.interest = _EDGE
        if wanted != self.interest:
            try:
                self._host.watch(self.fd, self.interest, wanted)
            except OSError as error:
                self.reset(CloseReason.ERROR, error)
            else:
                self.interest = wanted

    def ended(self) -> None:
        """Tells the handler, once, after the descriptor has been closed."""
        ending = self.ending
        if ending is None or ending.over:
            return
        ending.over = True
        if ending.timer is not None:
            ending.timer.cancel()
        if self.deadlines is not None:
            self.deadlines.disarm()
        run(self._host, self, self._host.handler.on_close, ending.error)
        for callback in ending.callbacks:
            notify(self._host, self, callback, None)
        ending.callbacks = []
        self.forget_input()
