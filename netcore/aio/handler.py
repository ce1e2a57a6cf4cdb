"""A handler that is a coroutine for each connection."""

from __future__ import annotations

import asyncio
import math
from typing import Any, ClassVar

from netcore._durations import seconds
from netcore.aio.hosted import HostedLoop, loop_of
from netcore.aio.stream import DialledFor, Stream
from netcore.errors import EngineNotRunningError, UnsupportedOperationError
from netcore.handler import Action, Conn, EventHandler

__all__ = ["AsyncHandler"]


class _Serving:
    """A coroutine that serves a connection, from its first step to the end of both.

    Args:
        stream: What it serves.
        loop: The asyncio loop of it.
        grace: See ``AsyncHandler.grace``.
    """

    __slots__ = ("_due", "_grace", "_loop", "_over", "_seen", "_task", "stream")

    def __init__(self, stream: Stream, loop: HostedLoop, grace: float) -> None:
        self.stream = stream
        self._loop = loop
        self._grace = seconds(grace, "grace")
        self._over = False
        self._seen = False
        self._task: asyncio.Task[None] | None = None
        self._due: asyncio.TimerHandle | None = None

    def begin(self, coroutine: Any) -> None:
        """Begins, when the callback that calls this is over."""
        loop = self._loop
        if loop.get_task_factory() is None:
            task = asyncio.Task(coroutine, loop=loop)
        else:
            task = loop.create_task(coroutine)
        self._task = task
        loop.serving[task] = self
        task.add_done_callback(self._has_ended)

    def react(self) -> Action | None:
        """Draws the consequences if it has ended within this callback of its connection, which acts on them.

        Raises:
            Exception: What it has raised, for ``on_error``.
        """
        if self._task is None or not self._task.done() or self._seen:
            return None
        error = self._ended(self._task)
        if error is not None:
            raise error
        return Action.CLOSE

    def connection_ended(self) -> None:
        """See ``Owner.connection_ended``."""
        self._over = True
        if self._task is not None and not self._task.done():
            self._cancel_after(self._grace)

    def loop_ends(self, seconds: float) -> None:
        """See ``Serving.loop_ends``; half of the time is for what comes after it is cancelled."""
        self.stream.end_of_stream(whole=False)
        self.stream.has_news()
        if self._task is not None and not self._task.done():
            self._cancel_after(min(self._grace, seconds / 2))

    def _cancel_after(self, seconds: float) -> None:
        if self._due is not None:
            if self._due.when() <= self._loop.time() + seconds:
                return
            self._due.cancel()
        if self._task is not None and seconds < math.inf:
            self._due = self._loop.call_later(seconds, self._task.cancel)

    def _is_usual(self, error: Exception) -> bool:
        """Whether it tells no more than that the peer is gone, or has ended between two messages."""
        if isinstance(error, asyncio.IncompleteReadError) and not error.partial:
            return True
        return self._over and isinstance(error, (OSError, EOFError, EngineNotRunningError))

    def _has_ended(self, task: asyncio.Task[None]) -> None:
        """Draws the consequences if it has ended on its own."""
        if self._seen:
            return
        error = self._ended(task)
        if error is None:
            self.stream.conn.close()
            return

        def fail(conn: Conn, closed: Exception | None) -> None:
            raise error

        self.stream.conn.wake(fail)  # on_error is told of what a callback raises

    def _ended(self, task: asyncio.Task[None]) -> Exception | None:
        """Lets go of it; returns what ``on_error`` is to be told."""
        self._seen = True
        self._loop.serving.pop(task, None)
        if self._due is not None:
            self._due.cancel()
        error = None if task.cancelled() else task.exception()
        return error if isinstance(error, Exception) and not self._is_usual(error) else None


class AsyncHandler(EventHandler):
    """Serves each connection by a coroutine: override ``serve``.

    It switches ``Options.asyncio`` on, and serves streams only. ``on_open``, ``on_traffic``, ``on_eof``,
    ``on_writable`` and ``on_close`` are taken; who overrides one calls this class's own as well. Coroutines
    run on the thread of their connection's loop. One handler serves all loops, so what coroutines of several
    loops share needs the care that threads need.

    When the connection is gone, or the engine stops, a coroutine sees the end of the stream: reads return
    what is left and then ``b""``, or raise what went wrong, and ``drain`` raises. If it has not returned
    after ``grace``, it is cancelled. When the peer has only ended its own direction nothing hurries it, since
    it may still write.

    Attributes:
        grace: Seconds that ``serve`` has to return in when its connection is gone, until it is cancelled;
            infinite for never. When the engine stops, at most half of ``Options.shutdown_timeout``.
        limit: See ``Stream.limit``.
    """

    asyncio: ClassVar[bool] = True
    grace: float = 1.0
    limit: int = 65536

    _nc_streams: dict[int, Stream]

    def __new__(cls, *args: Any, **named: Any) -> AsyncHandler:
        """Makes what every handler of the kind needs, whatever its own ``__init__`` does."""
        self = super().__new__(cls)
        # One handler serves all loops: single operations on a dict are atomic, and each connection's key is
        # used on its own loop only.
        self._nc_streams = {}
        return self

    async def serve(self, stream: Stream) -> None:
        """Serves a connection, which is closed when this returns: what it has written is sent.

        An exception goes to ``on_error``. Those of the system or of the peer (``OSError``, ``EOFError``,
        ``EngineNotRunningError``) do not when the connection is gone already: ``on_close`` has told. Neither
        does an ``asyncio.IncompleteReadError`` without a byte, since the peer may end between two messages.
        """

    def on_open(self, conn: Conn) -> Action | None:
        """Begins ``serve``."""
        if conn.network.startswith("udp"):
            raise UnsupportedOperationError(_STREAMS_ONLY)
        loop = loop_of(conn)
        stream = self._nc_streams[conn.id] = Stream(conn, loop, self.limit)
        dialled = conn.context
        if type(dialled) is DialledFor:
            conn.context = dialled.context
            dialled.stream = stream
            return None
        serving = stream.owner = _Serving(stream, loop, self.grace)
        serving.begin(self.serve(stream))
        return None

    def on_traffic(self, conn: Conn) -> Action | None:
        """Wakes the coroutine that reads."""
        stream = self._nc_streams.get(conn.id)
        if stream is None:
            if conn.network.startswith("udp"):
                raise UnsupportedOperationError(_STREAMS_ONLY)
            return None
        stream.arrived()
        return None if stream.owner is None else stream.owner.react()

    def on_eof(self, conn: Conn) -> Action | None:
        """Shows the coroutine the end; it may still write."""
        stream = self._nc_streams.get(conn.id)
        if stream is None:
            return Action.CLOSE
        stream.end_of_stream(whole=True)
        return None if stream.owner is None else stream.owner.react()

    def on_writable(self, conn: Conn) -> Action | None:
        """Wakes those that wait to write."""
        stream = self._nc_streams.get(conn.id)
        if stream is not None:
            stream.has_news()
        return None

    def on_close(self, conn: Conn, error: Exception | None) -> Action | None:
        """Shows the coroutine that the connection is gone."""
        stream = self._nc_streams.pop(conn.id, None)
        if stream is not None:
            stream.is_over(error)
        return None


_STREAMS_ONLY = "an AsyncHandler serves streams, and this is for datagrams: they have no stream to read from"
