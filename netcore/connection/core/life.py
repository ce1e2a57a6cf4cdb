"""What a connection has that lives: asynchronous calls, deadlines and an end, whatever it carries."""

from __future__ import annotations

import abc
import errno
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from netcore.connection.core.callbacks import notify, run
from netcore.connection.core.deadlines import Deadlines
from netcore.connection.core.identity import Connection
from netcore.connection.core.state import Event, State
from netcore.errors import ConnectionClosedError
from netcore.handler import Action, Callback, CloseReason, Conn, Timeout

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["LivingConnection"]


class LivingConnection(Connection):
    """A connection that opens, may be called from any thread, and ends once."""

    __slots__ = ()

    @abc.abstractmethod
    def put(self, chunks: Iterable[bytes]) -> None:
        """Writes pieces on behalf of another thread; after the loop's end this runs on any.

        Raises:
            ConnectionClosedError: As ``write``.
        """

    @abc.abstractmethod
    def forget_input(self) -> None:
        """Drops everything unread."""

    # What the application asks for, on any thread.

    def close(self, callback: Callback | None = None) -> None:
        """See ``Conn.close``."""
        if self._host.in_loop() and not self._posted:
            self._close(callback)
        else:
            self._post(self._close, callback)

    def abort(self) -> None:
        """See ``Conn.abort``."""
        self._on_loop(self.reset, CloseReason.LOCAL)

    def async_write(self, data: Buffer, callback: Callback | None = None) -> None:
        """See ``Conn.async_write``."""
        owned = data if type(data) is bytes else bytes(memoryview(data))
        self._post(self._write_now, (owned,), callback)

    def async_writev(self, chunks: Iterable[Buffer], callback: Callback | None = None) -> None:
        """See ``Conn.async_writev``."""
        owned = tuple(data if type(data) is bytes else bytes(memoryview(data)) for data in chunks)
        self._post(self._write_now, owned, callback)

    def wake(self, callback: Callback | None = None) -> None:
        """See ``Conn.wake``."""
        self._host.post(self._wake_now, callback)

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
            self._host.settle_later(self)  # output that waits already is timed from here on
        self.deadlines.set(kind, seconds, now)
        self._host.plan(self.deadlines)

    def _timed_out(self, kind: Timeout) -> None:
        def call(conn: Conn) -> object:
            action = self._host.handler.on_timeout(conn, kind)
            if action is not Action.CLOSE:
                return action
            error = TimeoutError(errno.ETIMEDOUT, f"the {kind.value} deadline has passed")
            self.end(Event.CLOSE, CloseReason.TIMEOUT, error)
            return None

        if not self.closed:
            run(self._host, self, call)

    def _post(self, function: Callable[..., object], *args: object) -> None:
        """Has a call carried out after those posted before it, a close on the loop's own thread included."""
        if self._host.in_loop():
            self._posted += 1
            self._host.post(self._carry_out, function, *args)
        else:
            self._host.post(function, *args)

    def _carry_out(self, function: Callable[..., object], *args: object) -> None:
        self._posted -= 1
        function(*args)

    def _on_loop(self, function: Callable[..., object], *args: object) -> None:
        if self._host.in_loop():
            function(*args)
        else:
            self._host.post(function, *args)

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

    # How it ends.

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
            ending.timer = self._host.schedule(self._host.limits.close_timeout, self._give_up)

    def _give_up(self) -> None:
        if self.state is State.CLOSING:
            self.reset(CloseReason.LOCAL, TimeoutError("the peer did not take the buffered output in time"))

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
