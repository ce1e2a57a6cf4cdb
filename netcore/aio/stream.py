"""A connection as a coroutine sees it."""

from __future__ import annotations

import abc
import asyncio
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from netcore.address import Address
from netcore.aio.hosted import HostedLoop
from netcore.aio.reading import ReadingStream
from netcore.errors import ConnectionClosedError
from netcore.handler import Action, Conn
from netcore.proxy import ProxyHeader

if TYPE_CHECKING:
    import ssl

    from typing_extensions import Buffer

__all__ = ["DialledFor", "Owner", "Stream"]


class Owner(Protocol):
    """What serves a stream."""

    @abc.abstractmethod
    def connection_ended(self) -> None:
        """The connection is gone."""

    @abc.abstractmethod
    def react(self) -> Action | None:
        """Says what becomes of the connection after a callback that has told the stream something."""


class DialledFor:
    """Stands in for the context of a connection that a coroutine has dialled, until it is open.

    Attributes:
        context: What its context is to be.
        stream: Its stream, once it is open.
    """

    __slots__ = ("context", "stream")

    def __init__(self, context: object) -> None:
        self.context: object = context
        self.stream: Stream | None = None


class Stream(ReadingStream):
    """Reads from a connection and writes to it, by coroutines of its own asyncio loop alone.

    What has come and nobody has read stays with the connection. From ``limit`` bytes on nothing more is
    received until somebody reads, so that a coroutine which is busy elsewhere slows the peer down rather
    than end the connection. A read that is cancelled has taken nothing. One coroutine at a time reads.

    Also an asynchronous context manager, which closes it and waits for that.

    Attributes:
        conn: The connection; all of it may be used, but for what reads.
        limit: Bytes that ``readuntil`` looks through, and that are received ahead, about.
    """

    __slots__ = ("__weakref__", "_over", "_waiting", "owner")

    owner: Owner | None
    """Told of the end; None for a stream that was dialled.

    :meta private:
    """

    def __init__(self, conn: Conn, loop: HostedLoop, limit: int) -> None:
        """Made by an ``AsyncHandler``."""
        super().__init__(conn, loop, limit)
        self.owner = None
        self._over = False
        self._waiting: list[asyncio.Future[None]] | None = None  # for room, or for the end

    async def __aenter__(self) -> Stream:
        """Returns itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes, and waits for the end unless there is an exception."""
        self.close()
        if error is None:
            await self.wait_closed()

    def write(self, data: Buffer) -> None:
        """Writes bytes, which leave with the loop's next batch; see ``Conn.write`` for what it raises."""
        self.conn.write(data)

    async def drain(self) -> None:
        """Waits while the peer takes less than is written: until the connection is ``writable`` again.

        Raises:
            OSError: The connection is lost, or was closed.
        """
        while not self.conn.writable:
            state = self._stream.state
            if self._over or self.conn.closed or state.drops_output:
                raise self._error or ConnectionClosedError(f"connection {self.conn.id} is {state.label}")
            if not state.writes:  # its direction is shut: nothing can be written that would have to wait
                return
            await self._next_news()

    async def start_tls(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool | None = None,
        server_hostname: str | None = None,
    ) -> None:
        """Goes on with TLS; see ``Conn.start_tls``. It returns when the handshake is done.

        Raises:
            netcore.tls.TlsError: The handshake has failed, or bytes were left unread before it, which may be
                anybody's; the connection ends.
            Exception: See ``Conn.start_tls``.
        """
        if self._at != len(self._front) or (self._frames is not None and self._frames.pending):
            from netcore.tls import TlsError

            self.close()
            raise TlsError("what came in plain before TLS was not all read: it may be anybody's")
        self._frames = None
        future: asyncio.Future[None] = self._loop.create_future()

        def done(conn: Conn, error: Exception | None) -> None:
            if future.done():  # cancelled
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        if self._holds:
            self._go_on()
        self.conn.start_tls(context, server_side=server_side, server_hostname=server_hostname, callback=done)
        await future

    async def dial(
        self,
        address: str | Address,
        context: object = None,
        timeout: float | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        tls_session: ssl.SSLSession | None = None,
        proxy: ProxyHeader | None = None,
    ) -> Stream:
        """Connects to an address on the same loop; see ``EventLoop.dial`` for arguments and errors.

        Returns:
            The stream of the new connection, for this coroutine: ``serve`` is not called for it. Close it, as
            by ``async with``.
        """
        dialled = DialledFor(context)
        opened: asyncio.Future[Conn] = self._loop.create_future()

        def settle(future: Future[Conn]) -> None:
            error = future.exception()
            if opened.cancelled():  # nobody waits for it any more
                if error is None:
                    future.result().close()
            elif error is None:
                opened.set_result(future.result())
            else:
                opened.set_exception(error)

        self.conn.loop.dial(
            address,
            dialled,
            timeout,
            tls=tls,
            server_hostname=server_hostname,
            tls_session=tls_session,
            proxy=proxy,
        ).add_done_callback(settle)  # which is on the loop's thread
        conn = await opened
        if dialled.stream is None:
            raise ConnectionClosedError(f"connection {conn.id} was closed at once")
        return dialled.stream

    def close(self) -> None:
        """Closes when what was written has left; see ``Conn.close``."""
        self.conn.close()

    async def wait_closed(self) -> None:
        """Waits until the connection is gone, for whatever reason."""
        while not self._over:
            await self._next_news()

    async def _next_news(self) -> None:
        """Waits until the connection is writable, or gone."""
        future = self._loop.create_future()
        if self._waiting is None:
            self._waiting = []
        self._waiting.append(future)
        await future

    # What its handler tells it, in the callbacks of the connection.

    def has_news(self) -> None:
        """The peer has taken enough, or the connection is gone or about to.

        :meta private:
        """
        waiting, self._waiting = self._waiting, None
        for future in waiting or ():
            if not future.done():
                future.set_result(None)

    def is_over(self, error: Exception | None) -> None:
        """The connection is gone.

        Args:
            error: What went wrong; None for an orderly end.

        :meta private:
        """
        self._over = True
        self.has_news()
        self.stream_lost(error)
        if self.owner is not None:
            self.owner.connection_ended()
