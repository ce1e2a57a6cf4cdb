"""The connections of a loop: taking them in, sending what they wrote, and letting them go."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from netcore._platform import AF_UNIX
from netcore.address import Address
from netcore.buffer import BufferPool
from netcore.connection import (
    UNWATCHED,
    CheckedStreamConnection,
    Connection,
    Counters,
    Settling,
    StreamConnection,
    run,
)
from netcore.eventloop.debug import TimedHandler
from netcore.eventloop.guarded_log import GuardedLogger
from netcore.eventloop.lingering import Linger
from netcore.eventloop.shared import Shared
from netcore.handler import CloseReason, Conn, EventHandler
from netcore.poll import Interest, Poller
from netcore.sockets import Outbox, Sockets, send_one_of

if TYPE_CHECKING:
    from netcore.connection import Host
    from netcore.eventloop.loop import Loop
    from netcore.sockets import Arena

__all__ = ["Hosting"]

_FLUSH_AT = 262144
"""Bytes in the outbox from which a writer sends it first: replies do not wait for a slow neighbour."""

_READ = int(Interest.READ)


class Hosting:
    """Implements what ``netcore.connection.Host`` asks for of connections; ``Loop`` adds the turn.

    Attributes:
        shared: What the loop shares with its siblings.
        poller: The kernel's readiness interface; for this loop's thread.
        sockets: Batched I/O; for this loop's thread.
        lingering: Descriptors of connections that are gone, whose peers are still sending.
        parting: Connections that are gone, but whose ``on_close`` has not returned yet. Any thread.
    """

    def __init__(self, shared: Shared, poller: Poller, sockets: Sockets) -> None:
        # What is missing here for a Host is the thread with its tasks and timers; Loop has it.
        self._as_host = cast("Host", self)
        self.shared = shared
        self.logger: logging.Logger = GuardedLogger(shared.logger)
        self.handler: EventHandler = (
            TimedHandler(shared.handler, self.logger) if shared.debug else shared.handler
        )
        self.limits = shared.limits
        self.poller = poller
        self.sockets = sockets
        self._send_one = send_one_of(sockets)
        self.pool = BufferPool(debug=shared.debug)
        self.outbox = Outbox(min(_FLUSH_AT, shared.limits.high_water))
        self.counters = Counters()
        self.views: list[memoryview] = []
        self.descriptor_lock = threading.Lock()
        self.arena: Arena = sockets.arena
        self.arena_view = memoryview(self.arena).toreadonly()
        self._first_interest = _READ | (int(Interest.EDGE) if shared.limits.edge_chunk else 0)
        self._connection_class = CheckedStreamConnection if shared.debug else StreamConnection
        self._by_fd: dict[int, StreamConnection] = {}
        self._by_id: dict[int, Connection] = {}
        self._arriving: dict[int, None] = {}  # descriptors on their way here; any thread may add one
        self._unsettled: dict[Settling, None] = {}
        self._again: dict[Connection, None] = {}
        self._retired: list[Connection] = []
        self._turning_away = False
        self.lingering: dict[int, Linger] = {}
        self.parting = 0
        self._arena_lent = False

    @property
    def connection_count(self) -> int:
        """See ``EventLoop.connection_count``."""
        return len(self._by_fd) + len(self._arriving)

    @property
    def outbound_buffered(self) -> int:
        """Bytes of all connections that were written and not sent. Any thread."""
        return self.outbox.size + sum(conn.backlogged for conn in list(self._by_fd.values()))

    def find(self, conn_id: int) -> Conn | None:
        """Returns the open connection with this id. Any thread."""
        return self._by_id.get(conn_id)

    def renew_arena(self) -> None:
        """See ``Host.renew_arena``; only before the next receive, since the rest of the batch lies there."""
        self._arena_lent = True

    def replace_lent_arena(self) -> None:
        """Goes on with fresh memory if a view of the old one lives on. Before a receive."""
        if self._arena_lent:
            self._arena_lent = False
            self.sockets.renew_arena()
            self.arena = self.sockets.arena
            self.arena_view = memoryview(self.arena).toreadonly()

    def flush(self) -> None:
        """See ``Host.flush``."""
        outbox = self.outbox
        fds = outbox.fds
        exceptions: Sequence[tuple[int, int]]
        if len(fds) == 1:
            n = self._send_one(fds[0], outbox.chunks[0])
            exceptions = ((0, n),) if n else ()
        elif fds:
            exceptions = self.sockets.send(fds, outbox.chunks)
        else:
            return
        self.counters.bytes_sent += outbox.size
        if exceptions:
            self._take_back(exceptions)
        outbox.clear()

    def _take_back(self, exceptions: Sequence[tuple[int, int]]) -> None:
        """Tells connections what was not sent; backwards, since each puts it before what it has."""
        outbox = self.outbox
        for i, n in reversed(exceptions):
            self.counters.bytes_sent -= n if n > 0 else len(outbox.chunks[i])
            conn = self._by_fd.get(outbox.fds[i])
            if conn is None:
                continue
            if n > 0:
                conn.unsent(outbox.chunks[i], n)
            else:
                conn.write_failed(n)

    def watch(self, fd: int, before: int, interest: int) -> None:
        """See ``Host.watch``."""
        if before == UNWATCHED:
            self.poller.register(fd, interest)
        elif interest == UNWATCHED:
            self.poller.unregister(fd)
        else:
            self.poller.modify(fd, interest)

    def settle_later(self, what: Settling) -> None:
        """See ``Host.settle_later``."""
        self._unsettled[what] = None

    def receive_again(self, conn: Connection) -> None:
        """See ``Host.receive_again``."""
        self._again[conn] = None

    def settle(self) -> None:
        """Ends a turn: sends what was written, draws the consequences, and repeats while these write more."""
        self.flush()
        while self._unsettled:
            unsettled, self._unsettled = self._unsettled, {}
            for each in unsettled:
                if self.outbox.fds:  # written by on_writable of the one before: it must not come after a FIN
                    self.flush()
                each.settle()
            self._bury()
            self.flush()

    def retire(self, conn: Connection) -> None:
        """See ``Host.retire``."""
        if conn.interest != UNWATCHED:
            conn.interest = UNWATCHED
            with suppress(OSError):  # the system may have forgotten it already
                self.poller.unregister(conn.fd)
        self.parting += 1  # first, so that nobody sees the connection neither here nor there
        self._by_fd.pop(conn.fd, None)
        self._by_id.pop(conn.id, None)
        self._again.pop(conn, None)
        self._retired.append(conn)

    def _bury(self) -> None:
        retired, self._retired = self._retired, []
        if not retired:
            return
        sending = self._still_sending(retired)
        unread = sending.union(conn.fd for conn in retired if conn.leaves_input)
        orderly = []
        with self.descriptor_lock:
            for conn in retired:
                conn.remember_local_address()
                if conn.ending is not None and conn.ending.reset:
                    self.sockets.reset(conn.fd)
                elif conn.fd not in unread:
                    orderly.append(conn.fd)
            self.sockets.close(orderly)
        if self.shared.gate is not None:
            self.shared.gate.give_back(len(retired))
        for fd in unread:
            Linger(cast("Loop", self), fd).begin(idle=fd not in sending)
        for conn in retired:
            if conn.ending is not None:
                self.counters.closed[conn.ending.reason] += 1
            try:
                conn.ended()
            finally:
                self.parting -= 1

    def _still_sending(self, retired: list[Connection]) -> set[int]:
        """Tells whose close would become a reset: for each in question the kernel is asked once more."""
        asked = [conn.fd for conn in retired if conn.may_leave_input]
        sending: set[int] = set()
        while asked:
            results = self.receive_aside(asked)
            sending.update(fd for fd, n in zip(asked, results, strict=False) if n > 0)
            asked = asked[len(results) :]
        return sending

    def receive_aside(self, fds: list[int]) -> list[int]:
        """Receives what nobody wants; see ``Sockets.receive``. Outside of a batch, whose arena it takes."""
        self.flush()  # it may hold views of the arena
        self.replace_lent_arena()
        return self.sockets.receive(fds)

    def adopt(
        self, fd: int, network: str, remote: bytes | Address, local: Address | None, context: object = None
    ) -> StreamConnection:
        """Makes a connection of a non-blocking descriptor and opens it. The loop's thread.

        Args:
            fd: Not attached yet; it is closed if this fails.
            network: "tcp" or "unix".
            remote: The peer's address, or its packed name.
            local: This side's address; None to ask the system when it is wanted.
            context: What ``conn.context`` is from the start.

        Raises:
            OSError: The poller refuses it, or the loop takes no more connections.
        """
        try:
            self.sockets.attach(fd)
        except OSError:
            self._arriving.pop(fd, None)
            raise
        try:
            if self._turning_away:
                raise OSError(errno.ECONNABORTED, "the loop is stopping")
            self.poller.register(fd, self._first_interest)
        except OSError:
            self._arriving.pop(fd, None)  # first, since the number may be another's after the reset
            self.sockets.reset(fd)
            if self.shared.gate is not None:
                self.shared.gate.give_back(1)
            raise
        conn = self._connection_class(self._as_host, fd, network, remote, local)
        conn.context = context
        conn.interest = self._first_interest
        self._by_fd[fd] = conn
        self._arriving.pop(fd, None)  # second, so that nobody sees the connection neither here nor there
        self._by_id[conn.id] = conn
        if self.limits.idle_timeout:
            conn.set_deadline(self.limits.idle_timeout)
        run(self._as_host, conn, self.handler.on_open)
        return conn

    def join(
        self, sock: socket.socket, remote: Address, local: Address | None, context: object
    ) -> Connection:
        """Makes a connection of a connected, non-blocking socket. The loop's thread.

        Raises:
            OSError: The poller refuses it; the socket is closed then.
        """
        network = "unix" if sock.family == AF_UNIX else "tcp"
        if self.shared.gate is not None:
            self.shared.gate.add(1)
        return self.adopt(sock.detach(), network, remote, local, context)

    def abandon_connections(self) -> list[int]:
        """Lets go of all connections, in a forked child; returns their descriptors, which are left to close.

        Nothing of them goes on, not even in a callback in which the fork was made: they are closed here
        without a word to the kernel or the handler, since they go on in the parent.
        """
        self.descriptor_lock = threading.Lock()  # a thread that held it does not exist here
        self._turning_away = True
        fds = [*self._by_fd, *self.lingering, *(conn.fd for conn in self._retired)]
        for conn in self._by_fd.values():
            conn.abandon()
        self.outbox.clear()
        for table in (self._by_fd, self._by_id, self._unsettled, self._again, self.lingering):
            table.clear()
        self._retired.clear()
        self._arriving.clear()
        return fds

    def turn_away(self) -> None:
        """Begins to close every connection, and refuses new ones. The loop's thread."""
        self._turning_away = True
        for conn in list(self._by_fd.values()):
            conn.shut_down()
        for linger in list(self.lingering.values()):
            linger.hurry()

    def reset_all(self, error: Exception | None) -> None:
        """Resets every connection. The loop's thread."""
        self._turning_away = True
        for conn in list(self._by_fd.values()):
            conn.reset(CloseReason.SHUTDOWN, error)
        self.end_lingering()

    def end_lingering(self) -> None:
        """Closes what lingers, whatever its peer does. The loop's thread."""
        for linger in list(self.lingering.values()):
            linger.end()
