"""What a handler sees of a connection, of its loop and of a timer.

Unless a method says "Any thread", it may be called only on the connection's own loop thread, that is
inside a callback; with ``Options.debug`` another thread gets ``WrongThreadError``.
"""

from __future__ import annotations

import abc
import logging
import socket
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, runtime_checkable

from netcore.address import Address
from netcore.handler.metrics import Metrics
from netcore.handler.timings import Timings
from netcore.handler.vocabulary import CloseReason
from netcore.proxy import ProxyHeader

if TYPE_CHECKING:
    import ssl

    from typing_extensions import Buffer, TypeVar

    from netcore.tls import TlsInfo

    ContextT = TypeVar("ContextT", default=Any)  # so that a plain Conn is as good as Conn[Any] (PEP 696)
else:
    from typing import TypeVar

    ContextT = TypeVar("ContextT")

__all__ = ["Callback", "Conn", "ContextT", "EventLoop", "Timer"]


@runtime_checkable
class Timer(Protocol):
    """A call that ``EventLoop.schedule`` has planned."""

    __slots__ = ()

    @abc.abstractmethod
    def cancel(self) -> None:
        """Calls the plan off; nothing happens if it has run or was cancelled. Any thread."""


@runtime_checkable
class EventLoop(Protocol):
    """One thread that serves connections: wait, receive, handle, send."""

    __slots__ = ()

    index: int
    """The position in ``Engine.loops``. Any thread."""
    logger: logging.Logger
    """The engine's. Any thread."""

    @property
    @abc.abstractmethod
    def connection_count(self) -> int:
        """Connections served, and those accepted that are on their way to ``on_open``. Any thread.

        Those still connecting do not count, nor those whose ``on_close`` is due, nor descriptors that linger
        after it; ``Options.max_connections`` and ``Engine.drain`` count the latter, too.
        """

    @abc.abstractmethod
    def connections(self) -> list[Conn]:
        """Returns the open connections, dialled ones included. Any thread."""

    @abc.abstractmethod
    def metrics(self) -> Metrics:
        """Returns this loop's part of ``Engine.metrics``. Any thread."""

    @abc.abstractmethod
    def timings(self) -> Timings | None:
        """Returns this loop's part of ``Engine.timings``. Any thread."""

    @abc.abstractmethod
    def stuck_for(self) -> float:
        """Returns for how many seconds the present turn is known to last; 0.0 in a wait. Any thread.

        A loop takes no notes of the time for this: a turn counts from when it was first looked at by this
        call, so who watches a loop calls it again and again. It is 0.0 as well before a loop has begun and
        once it has ended, and for a hosted one while its host does something else.
        """

    @abc.abstractmethod
    def in_loop(self) -> bool:
        """Tells whether the calling thread is the loop's own. Any thread."""

    @abc.abstractmethod
    def execute(self, function: Callable[..., object], *args: object) -> None:
        """Has a function called on the loop, soon, first in first out. Any thread.

        An exception of the function is logged. On a loop that has ended nothing runs any more. How many wait
        is the caller's affair: nothing bounds them (``Metrics.tasks_pending`` tells).

        Raises:
            TypeError: The function cannot be called.
            EngineNotRunningError: The loop has ended.
        """

    @abc.abstractmethod
    def schedule(self, delay: float, function: Callable[..., object], *args: object) -> Timer:
        """Has a function called on the loop after a delay. Any thread.

        Args:
            delay: Seconds on the monotonic clock; at once if it is negative, never if it is infinite. Equal
                times run in the order of the calls.
            function: Called with ``args``; an exception is logged.
            args: Passed on.

        Raises:
            TypeError: The delay is no int or float, or the function cannot be called.
            ValueError: The delay is not a number (nan).
            EngineNotRunningError: The loop has ended.
        """

    @abc.abstractmethod
    def dial(
        self,
        address: str | Address,
        context: object = None,
        timeout: float | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        tls_session: ssl.SSLSession | None = None,
        proxy: ProxyHeader | None = None,
    ) -> Future[Conn]:
        """Connects to an address without blocking. Any thread.

        Args:
            address: Where to. A name is looked up on another thread, and its addresses are tried as in RFC
                8305 ("Happy Eyeballs"). KCP has no handshake: of its first address a session opens at once.
            context: What ``conn.context`` is from the start.
            timeout: Seconds until it fails, handshake included; None, or infinity, for the system's patience.
            tls: For a ``tls://`` address: a client's context. None for ``Options.tls`` if that is one, else
                for what ``ssl.create_default_context`` makes.
            server_hostname: For a ``tls://`` address: the name to ask for (SNI) and, as the context wants
                it, to check; None for the host of the address.
            tls_session: For a ``tls://`` address: ``Conn.tls_session`` of an earlier connection to the same
                server with the same context, to be resumed. The server decides whether it is
                (``TlsInfo.session_reused``); if so, no certificate is looked at again.
            proxy: A PROXY header to be sent ahead of all else, for a peer that wants one; None for nothing.

        Returns:
            A future that cannot be cancelled. It gets the connection, whose ``on_open`` has run, or the
            ``OSError`` that it is (``ConnectionRefusedError``, ``TimeoutError``, ``socket.gaierror``, ...).
            With TLS that may be a ``netcore.tls.TlsHandshakeError``, also for
            ``Options.tls_handshake_timeout``; for a certificate that is refused it is an
            ``ssl.SSLCertVerificationError``, too. A host name that is none, or a session of another context,
            is a ``ValueError``.

        Raises:
            TypeError: The timeout is no int or float, the context none, the name no text, or the session
                none.
            ValueError: The timeout is negative or not a number.
            InvalidAddressError: The text is no address.
            OptionsError: The context is a server's.
            ProxyError: The header cannot be said; see ``netcore.proxy.encode``.
            UnsupportedOperationError: There is a header and the address is for datagrams, or KCP, or there
                is something for TLS and the address is without.
            EngineNotRunningError: The loop has ended.
        """

    @property
    @abc.abstractmethod
    def finished(self) -> bool:
        """Whether it was stopped, and its last connection is gone; for who hosts the loop."""

    @abc.abstractmethod
    def turn(self, timeout: float | None = None) -> None:
        """Waits for what is next, and deals with all of it; for who hosts the loop on a thread of his own.

        An error that the loop cannot survive, such as its poller's, ends it and its engine, as on a thread of
        its own, and is raised.

        Args:
            timeout: Seconds to wait at most, 0 to look without waiting; None for as long as nothing is due.

        Raises:
            TypeError: The timeout is no int or float.
            ValueError: It is negative or not a number.
            WrongThreadError: It is another thread's.
            EngineNotRunningError: It has ended.
            RuntimeError: Called inside a callback.
        """

    @abc.abstractmethod
    def next_deadline(self) -> float | None:
        """Returns when a turn is due even if nothing becomes ready until then; for who hosts the loop.

        Returns:
            Seconds of the loop's clock, that of ``time.monotonic``, past ones for at once; None if nothing is
            planned.
        """

    @abc.abstractmethod
    def fileno(self) -> int:
        """Returns a descriptor that is readable when a turn is due; for who hosts the loop.

        Raises:
            UnsupportedOperationError: The poller has none.
        """

    @abc.abstractmethod
    def enroll(self, sock: socket.socket, context: object = None) -> Future[Conn]:
        """Takes a connected socket over; the caller's object is detached at once. Any thread.

        Args:
            sock: TCP, UDP or a Unix stream, connected.
            context: What ``conn.context`` is from the start.

        Raises:
            UnsupportedOperationError: It is no such socket, or there is a layer above its descriptor that
                would be passed over: a subclass that sends and receives in its own way, such as
                ``ssl.SSLSocket``, or an open file of ``makefile()``. It stays the caller's, as it was.
            OSError: It is not connected; it stays the caller's, as it was.

        What goes wrong later is told by the future, and the socket is the caller's again: the object, which
        was detached meanwhile, owns it under another number. A socket that is registered elsewhere, such as
        with a selector, has to be taken out there before.
        """


@runtime_checkable
class Conn(Protocol[ContextT]):
    """A connection as a handler sees it. ``Conn[Session]`` is one whose ``context`` is a ``Session``."""

    if TYPE_CHECKING:
        __slots__ = ("context",)  # mypy wants to see what may be assigned, unless that is Any
    else:
        __slots__ = ()

    context: ContextT
    """Yours; None at first, whatever its type is said to be."""

    @property
    @abc.abstractmethod
    def paused(self) -> bool:
        """Whether ``pause_reading`` has taken effect, for any reason that is not over yet. Any thread."""

    @property
    @abc.abstractmethod
    def id(self) -> int:
        """Unique in the process and never reused. Any thread."""

    @property
    @abc.abstractmethod
    def fd(self) -> int:
        """The descriptor; its number may belong to something else once that is closed. Any thread.

        Of a session of KCP it is that of the socket, which others use as well; it may be another one when its
        listener has closed.
        """

    @property
    @abc.abstractmethod
    def network(self) -> str:
        """``"tcp"``, ``"tls"``, ``"udp"``, ``"kcp"`` or ``"unix"``. Any thread."""

    @property
    @abc.abstractmethod
    def loop(self) -> EventLoop:
        """The loop that serves this connection. Any thread."""

    @property
    @abc.abstractmethod
    def local_address(self) -> Address:
        """This side's end; stays valid after the close. Any thread."""

    @property
    @abc.abstractmethod
    def remote_address(self) -> Address:
        """The peer's end; stays valid after the close. Any thread.

        Behind a proxy, with ``Options.proxy_protocol``, that is the client: what the header says.
        """

    @property
    @abc.abstractmethod
    def peer_address(self) -> Address:
        """The socket's own peer, be it a proxy; stays valid after the close. Any thread.

        Without a PROXY header, or with one that names no client, it is the ``remote_address``.
        """

    @property
    @abc.abstractmethod
    def proxy(self) -> ProxyHeader | None:
        """The PROXY header that it began with; None if there was none. Any thread."""

    @property
    @abc.abstractmethod
    def tls(self) -> TlsInfo | None:
        """What its TLS handshake has brought; None without TLS. Any thread."""

    @property
    @abc.abstractmethod
    def tls_session(self) -> ssl.SSLSession | None:
        """What a later ``dial`` to the same server can resume; None without TLS, and on a server's side.

        In TLS 1.3 the server sends it behind the handshake (RFC 8446, 4.6.1): ask when something of its has
        come, in ``on_traffic`` or ``on_close``.
        """

    @property
    @abc.abstractmethod
    def closed(self) -> bool:
        """Whether the connection is closing or closed, so that nothing more can be written. Any thread."""

    @property
    @abc.abstractmethod
    def close_reason(self) -> CloseReason | None:
        """What ended the connection; None while it is open. Any thread."""

    @property
    @abc.abstractmethod
    def bytes_received(self) -> int:
        """Bytes that the kernel has given for this connection, from the first one on. Any thread.

        They are those of the wire: with TLS its records, handshake included, and with a PROXY header that as
        well. Of a server's datagram it is the length.
        """

    @property
    @abc.abstractmethod
    def bytes_sent(self) -> int:
        """Bytes that the kernel has taken for this connection, those of files included. Any thread.

        They are those of the wire, as with ``bytes_received``; what waits is in ``outbound_buffered``. Of a
        server's datagram it is what was written with it.
        """

    @property
    @abc.abstractmethod
    def age(self) -> float:
        """Seconds since it was about to open; it grows on after the end. Any thread.

        What comes before ``on_open``, such as a TLS handshake, does not count. A server's datagram, which
        never opens, has 0.0.
        """

    # Reading. Bytes of a stream that a callback leaves unread stay for the next on_traffic.

    @property
    @abc.abstractmethod
    def inbound_buffered(self) -> int:
        """Bytes received and not yet read."""

    @abc.abstractmethod
    def read(self, n: int = -1) -> bytes:
        """Takes up to n bytes, all if n is negative; ``b""`` if there is nothing."""

    @abc.abstractmethod
    def read_into(self, buffer: Buffer) -> int:
        """Takes as many bytes as there are and fit into a writable buffer; returns how many."""

    @abc.abstractmethod
    def peek(self, n: int = -1) -> memoryview:
        """Shows exactly n bytes, all if n is negative, without taking them.

        Returns:
            A read-only view that is released when the callback returns; copy what must stay.

        Raises:
            ShortBufferError: Fewer than n bytes are here.
        """

    @abc.abstractmethod
    def next(self, n: int = -1) -> memoryview:
        """Takes exactly n bytes and shows them; otherwise like ``peek``."""

    @abc.abstractmethod
    def discard(self, n: int = -1) -> int:
        """Drops up to n bytes, all if n is negative; returns how many."""

    @abc.abstractmethod
    def write_to(self, file: BinaryIO) -> int:
        """Writes everything received to a file and takes what the file took; returns how many bytes."""

    @abc.abstractmethod
    def pause_reading(self, reason: Hashable = None) -> None:
        """Receives nothing more until ``resume_reading``; the peer is slowed down in the end. Any thread.

        Whoever else may pause this connection as well gives a reason of his own. netcore's own parts do: no
        call of the application's ends the pause of a ``WorkerPool``, and none of theirs the application's.

        Args:
            reason: Why; anything that can be a key of a dict. None is the application's. To pause twice for
                the same reason is to pause once.

        Raises:
            TypeError: The reason cannot be hashed.
        """

    @abc.abstractmethod
    def resume_reading(self, reason: Hashable = None) -> None:
        """Receives again, unless there is another reason not to. Any thread.

        ``on_traffic`` runs then if unread bytes are here already.

        Args:
            reason: Which of those given to ``pause_reading`` is over; nothing happens if it is not there.

        Raises:
            TypeError: The reason cannot be hashed.
        """

    # Writing. What is written leaves at the end of the turn, in order.

    @property
    @abc.abstractmethod
    def outbound_buffered(self) -> int:
        """Bytes written and not yet taken by the kernel."""

    @property
    @abc.abstractmethod
    def writable(self) -> bool:
        """False from ``Options.high_water`` unsent bytes on, until they fall to ``low_water``.

        So many bytes of one turn make it False as well, even if the kernel has taken them all: then
        ``on_writable`` follows in the next turn, so that a peer that reads fast does not keep the loop for
        itself. It is False, too, when nothing can be written any more. So
        ``while conn.writable: conn.write(...)`` ends, also on a connection that has broken, where what is
        written vanishes.
        """

    @abc.abstractmethod
    def write(self, data: Buffer) -> int:
        """Writes bytes; ``bytes`` objects are not copied, anything mutable is.

        Returns:
            The number of bytes, all of them.

        Raises:
            ConnectionClosedError: The connection has closed, or ``shutdown_write`` was called.
        """

    @abc.abstractmethod
    def writev(self, chunks: Iterable[Buffer]) -> int:
        """Writes several pieces in order; otherwise like ``write``."""

    @abc.abstractmethod
    def read_from(self, file: BinaryIO) -> int:
        """Writes all that a file still has; returns how many bytes. Raises what ``write`` and the file do."""

    @abc.abstractmethod
    def sendfile(self, file: BinaryIO, offset: int = 0, count: int | None = None) -> int:
        """Sends a part of a file, in order with the writes and without bringing it to memory.

        The call returns at once, and the file may be closed after it: a regular file is sent later from a
        descriptor that all parts of it share, by sendfile(2) where the system has it. It counts as
        ``outbound_buffered`` and for the water marks until the kernel has taken it, but never for
        ``Options.max_outbound``. Its own position is neither used nor changed. A small file is read at once,
        and so is everything else, such as a pipe or ``io.BytesIO``, which then is like any other output.

        ``close`` sends the files that wait as well, and gives up only when for ``Options.close_timeout``
        the peer has taken nothing of them. A file that becomes shorter while it is sent, or cannot be
        read, ends the connection with RST, so that the peer does not take what it has got for the whole:
        ``on_close`` gets the ``OSError``, and the reason is ``CloseReason.ERROR``.

        Args:
            file: Opened for reading, in binary mode.
            offset: Where in the file to begin, in bytes.
            count: How many bytes at most; None for all that follow.

        Returns:
            How many bytes will be sent: fewer than ``count`` if the file has fewer.

        Raises:
            ConnectionClosedError: The connection has closed, or ``shutdown_write`` was called.
            UnsupportedOperationError: This is a datagram connection.
            TypeError: The file is open in text mode.
            ValueError: A number is negative.
            OSError: The file cannot be read, or no descriptor is left for it.
        """

    @abc.abstractmethod
    def send_to(self, data: Buffer, address: Address) -> int:
        """Sends a datagram to an address; UnsupportedOperationError on a stream."""

    @abc.abstractmethod
    def flush(self) -> None:
        """Hands what is written to the kernel now rather than at the end of the turn.

        Raises:
            WrongThreadError: Not the loop's thread; a stream checks that without ``Options.debug``, too.
        """

    @abc.abstractmethod
    def shutdown_write(self) -> None:
        """Sends FIN after what is buffered; receiving goes on.

        Raises:
            ConnectionClosedError: The connection has closed.
            UnsupportedOperationError: It is a server's datagram, or a session of KCP, which has no such end.
        """

    # Asynchronous calls never raise because the connection has closed: the callback gets the
    # ConnectionClosedError. It runs exactly once, on the loop. Calls of one thread keep their order, and
    # ``close`` comes after the asynchronous writes before it; other calls are done at once on the loop.

    @abc.abstractmethod
    def async_write(self, data: Buffer, callback: Callback | None = None) -> None:
        """Has data written on the loop; anything but ``bytes`` is copied first. Any thread.

        It counts in ``outbound_buffered``, for the water marks and for ``Options.max_outbound`` from the
        moment of the call. Beyond that nothing is kept, even if the loop is busy: the callback gets an error,
        and the connection ends by ``CloseReason.OVERFLOW``; of a server's datagrams only those are dropped.

        Args:
            data: What to write.
            callback: ``callback(conn, error)``, with None when the data was written.
        """

    @abc.abstractmethod
    def async_writev(self, chunks: Iterable[Buffer], callback: Callback | None = None) -> None:
        """Like ``async_write`` for several pieces in order. Any thread."""

    @abc.abstractmethod
    def start_tls(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool | None = None,
        server_hostname: str | None = None,
        callback: Callback | None = None,
    ) -> None:
        """Goes on with TLS, as STARTTLS does in SMTP (RFC 3207), when what was written before has left.

        What is written after the call waits for the handshake, which has ``Options.tls_handshake_timeout``.
        Until it is done bytes are received even in a pause. ``conn.tls`` then says what was agreed on, and
        ``network`` stays what it was.

        What the peer has sent before is not to be taken for what it says by TLS: if any of it is left unread
        when the callback returns in which this is called, frames of a ``FrameHandler`` included, the
        connection ends with a ``TlsError``. So does one whose handshake fails, with a ``TlsHandshakeError``.

        Args:
            context: A server's, or a client's.
            server_side: Which side this is; None for the server's where the connection was accepted, the
                client's where it was dialled. One that was enrolled must say.
            server_hostname: For a client: the name to ask for and, as the context wants it, to check.
            callback: ``callback(conn, error)``: with None when the handshake is done, before ``on_traffic``
                has anything of it. With an error if it will not be, before ``on_close``: what that gets, or
                a ``ConnectionClosedError`` if this side closes.

        Raises:
            ConnectionClosedError: The connection has closed, or ``shutdown_write`` was called.
            UnsupportedOperationError: It has TLS already, or it is for datagrams. Or an ``async_write`` that
                this thread has called before is not carried out yet, and would not leave in plain: call this
                in its callback, or ``write``.
            TypeError: The context is none.
            ValueError: It is for the other side; or the side or the host name is missing, or is none.
            WrongThreadError: Not the loop's thread, without ``Options.debug``, too.
        """

    # Life.

    @abc.abstractmethod
    def wake(self, callback: Callback | None = None) -> None:
        """Runs ``on_traffic`` on the loop although nothing has come, then the callback. Any thread.

        Each call is a task of its own, as with ``EventLoop.execute``: how many wait is the caller's affair.
        """

    @abc.abstractmethod
    def close(self, callback: Callback | None = None) -> None:
        """Sends what is buffered, then FIN; gives up after ``Options.close_timeout``. Any thread.

        While a file is sent, see ``sendfile``, that time begins anew with progress.

        Args:
            callback: ``callback(conn, None)`` once ``on_close`` has run, or at once if it has already.
        """

    @abc.abstractmethod
    def abort(self) -> None:
        """Closes with RST, dropping what is buffered. Any thread."""

    # Deadlines. All stay armed, and begin anew with progress and after each on_timeout.

    @abc.abstractmethod
    def set_deadline(self, seconds: float | None) -> None:
        """Arms ``Timeout.IDLE``: no byte either way for so long; of a session of KCP, nothing from the peer.

        Before it is met the kernel is asked for bytes that the loop has not got round to, be it that a
        callback took long or the process was stopped. While reading is paused, what has come and waits there
        puts it off as well: the peer has not been silent.

        Args:
            seconds: Above zero, or infinite, which is never met; None disarms.

        Raises:
            TypeError: It is no int or float.
            ValueError: It is not above zero.
        """

    @abc.abstractmethod
    def set_read_deadline(self, seconds: float | None) -> None:
        """Arms ``Timeout.READ``: no byte received for so long; otherwise like ``set_deadline``."""

    @abc.abstractmethod
    def set_write_deadline(self, seconds: float | None) -> None:
        """Arms ``Timeout.WRITE``: output waiting for so long, and none of it taken.

        Otherwise like ``set_deadline``, but a connection that ``on_timeout`` closes for it is reset: there is
        no waiting for a peer that takes nothing.
        """

    # The socket. Any thread; ConnectionClosedError once it is closed, OSError if the system refuses.

    @abc.abstractmethod
    def dup(self) -> int:
        """Duplicates the descriptor; the copy is the caller's to close, and not inherited. Any thread.

        Both are one socket: it is non-blocking, and has to stay so. The end of the connection is that of the
        copy too, and the peer learns of it at once: by FIN, also while the copy is open. A reset waits for
        the copy to be closed where the system knows no other, which is everywhere but on Linux.

        Raises:
            UnsupportedOperationError: It is a session of KCP, whose socket others use as well.
        """

    @abc.abstractmethod
    def set_read_buffer(self, size: int) -> None:
        """Sets SO_RCVBUF to so many bytes; see socket(7). Any thread.

        A server's datagrams have one socket, and so have a listener's sessions of KCP: it is set for all.
        """

    @abc.abstractmethod
    def set_write_buffer(self, size: int) -> None:
        """Sets SO_SNDBUF to so many bytes, like ``set_read_buffer``. Any thread."""

    @abc.abstractmethod
    def set_linger(self, seconds: int) -> None:
        """Sets SO_LINGER; 0 makes the close a reset, a negative number switches it off. Any thread.

        Above zero is as below: the system goes on sending what is buffered in the background. The close never
        waits for that, as close(2) would, because it would hold up all connections of the loop; to learn
        whether a peer has got everything takes an answer from it.

        Datagrams, and sessions of KCP, end as they do whatever is set: their sockets know no reset.

        Raises:
            TypeError: The time is no int or float.
            ValueError: It is not a number.
        """

    @abc.abstractmethod
    def set_no_delay(self, on: bool) -> None:
        """Sets TCP_NODELAY; UnsupportedOperationError unless this is TCP. Any thread."""

    @abc.abstractmethod
    def set_keep_alive(self, enabled: bool, idle: float = 0, interval: float = 0, count: int = 0) -> None:
        """Sets TCP keep-alive; see tcp(7). Any thread.

        Args:
            enabled: Whether to probe a silent peer at all.
            idle: Seconds of silence before the first probe.
            interval: Seconds between probes.
            count: Unanswered probes before the connection is dropped.

        Raises:
            ValueError: Enabled with a number below 1.
            UnsupportedOperationError: This is not TCP.
        """


Callback = Callable[[Conn, Exception | None], object]
"""What an asynchronous call reports to, on the loop: the connection, and what went wrong or None."""
