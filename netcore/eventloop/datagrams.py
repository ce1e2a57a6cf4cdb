"""The datagram sockets of a loop: those of servers, and dialled connections."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from netcore._native import error as system_error
from netcore.address import Address
from netcore.connection import (
    CheckedDatagramConn,
    CheckedDatagramConnection,
    Connection,
    DatagramConn,
    DatagramConnection,
    DatagramPort,
    run,
)
from netcore.connection.datagram.outbox import DatagramOutbox
from netcore.eventloop.complaints import Complaints
from netcore.eventloop.serving import Serving
from netcore.eventloop.shared import Shared
from netcore.handler import CloseReason
from netcore.poll import Interest, Poller, Readiness
from netcore.sockets import Sockets, duplicate

if TYPE_CHECKING:
    from netcore.connection import Host
    from netcore.eventloop.loop import Loop

__all__ = ["DatagramListener", "DatagramServing"]

_PER_TURN = 256
"""Datagrams received from one socket in one turn, so that a flood of them does not starve the others."""

_ERROR_COST = 4096
"""What an error counts of an edge-triggered chunk, so that a lasting one does not hold the loop for ever."""

_READ, _WRITE, _EDGE = int(Interest.READ), int(Interest.WRITE), int(Interest.EDGE)
_WRITABLE, _ERROR = int(Readiness.WRITABLE), int(Readiness.ERROR)
_SENDABLE = int(Readiness.WRITABLE | Readiness.HANGUP | Readiness.ERROR)


class _Sink(Protocol):
    """Whose socket it is: a ``DatagramPort`` or a ``DatagramConnection``."""

    outbox: DatagramOutbox

    @property
    def fd(self) -> int:
        """The descriptor."""

    @property
    def receiving(self) -> bool:
        """Whether datagrams are wanted."""

    def deliver(self, datagrams: Sequence[tuple[bytes | None, bytes]]) -> None:
        """Hands a batch to the handler."""

    def receive_failed(self, code: int) -> None:
        """Reports a negative errno."""


class _Reader:
    """Receives from one socket when the poller says so; a ``Watcher``."""

    def __init__(self, loop: DatagramServing, host: Host, sink: _Sink) -> None:
        self._loop = loop
        self._host = host
        self._sink = sink

    def ready(self, readiness: int) -> None:
        """See ``Watcher.ready``."""
        sink = self._sink
        if readiness & _SENDABLE and sink.outbox.backed_up:
            sink.outbox.refill()
        if not readiness & ~_WRITABLE:
            return
        if sink.receiving:
            if self._receive():
                # Tasks of a turn run after its events, so it takes one of them to reach the next turn.
                self._host.post(self._host.post, self.go_on)
        elif readiness & _ERROR:
            self._take_error()

    def go_on(self) -> None:
        """Receives without waiting for readiness, which an edge tells only once. A task of each turn."""
        if self._receive():
            self._host.post(self.go_on)

    def _receive(self) -> bool:
        """Takes one batch; edge-triggered, batch after batch until nothing is left or the chunk is full.

        Returns:
            Whether there may be more, of which the poller will not tell.
        """
        sink = self._sink
        left = self._loop.limits.edge_chunk
        counters = self._loop.counters
        while sink.receiving:
            datagrams, code = self._loop.sockets.receive_datagrams(sink.fd, _PER_TURN)
            size = sum([len(data) for data, _ in datagrams if data])  # a list is faster than a generator
            counters.datagrams_received += len(datagrams)
            counters.bytes_received += size
            sink.deliver(datagrams)
            if code:
                sink.receive_failed(code)
                left -= _ERROR_COST
            elif not datagrams:
                return False
            left -= size + len(datagrams)
            if left <= 0:
                return self._loop.limits.edge_chunk > 0
        return False

    def _take_error(self) -> None:
        """Asks for an error that the poller would report for ever, since nobody receives."""
        with self._loop.sockets.borrow(self._sink.fd) as sock:
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._sink.receive_failed(-code)


class DatagramServing(Serving):
    """Serves datagram sockets beside the streams."""

    def __init__(self, shared: Shared, poller: Poller, sockets: Sockets) -> None:
        super().__init__(shared, poller, sockets)
        self._dialled: dict[int, DatagramConnection] = {}

    @property
    def connection_count(self) -> int:
        """See ``EventLoop.connection_count``; a server's datagrams do not count."""
        return len(self._by_fd) + len(self._arriving) + len(self._dialled)

    @property
    def outbound_buffered(self) -> int:
        """See ``Hosting.outbound_buffered``."""
        waiting = sum(conn.outbox.buffered for conn in list(self._dialled.values()))
        return super().outbound_buffered + waiting

    def join(
        self, sock: socket.socket, remote: Address, local: Address | None, context: object
    ) -> Connection:
        """See ``Hosting.join``."""
        if sock.type != socket.SOCK_DGRAM:
            return super().join(sock, remote, local, context)
        conn_class = CheckedDatagramConnection if self.shared.debug else DatagramConnection
        conn = conn_class(self._as_host, sock.detach(), sock.family, remote, local)
        self.take_in(conn, context)
        return conn

    def take_in(self, conn: DatagramConnection, context: object) -> None:
        """Opens a dialled or enrolled connection. The loop's thread.

        Raises:
            OSError: The poller refuses it, or the loop takes no more connections; the socket is closed then.
        """
        gate = self.shared.gate
        if gate is not None:
            gate.add(1)
        self.sockets.attach(conn.fd)
        try:
            if self._turning_away:
                raise OSError(errno.ECONNABORTED, "the loop is stopping")
            self.attend(conn.fd, _Reader(self, self._as_host, conn), self._first_interest)
        except OSError:
            self.sockets.close([conn.fd])
            if gate is not None:
                gate.give_back(1)
            raise
        conn.context = context
        conn.interest = self._first_interest
        self._dialled[conn.fd] = conn
        self._by_id[conn.id] = conn
        if self.limits.idle_timeout:
            conn.set_deadline(self.limits.idle_timeout)
        run(self._as_host, conn, self.handler.on_open)

    def retire(self, conn: Connection) -> None:
        """See ``Host.retire``."""
        super().retire(conn)
        if self._dialled.pop(conn.fd, None) is not None:
            self._watchers.pop(conn.fd, None)

    def abandon_connections(self) -> list[int]:
        """See ``Hosting.abandon_connections``."""
        fds = super().abandon_connections() + list(self._dialled)
        for conn in self._dialled.values():
            conn.abandon()
        self._dialled.clear()
        return fds

    def turn_away(self) -> None:
        """See ``Hosting.turn_away``."""
        super().turn_away()
        for conn in list(self._dialled.values()):
            conn.shut_down()

    def reset_all(self, error: Exception | None) -> None:
        """See ``Hosting.reset_all``."""
        super().reset_all(error)
        for conn in list(self._dialled.values()):
            conn.reset(CloseReason.SHUTDOWN, error)


class DatagramListener:
    """A bound datagram socket and the port behind it; what an ``Acceptor`` is for streams.

    Args:
        loop: The loop that serves it.
        fd: The non-blocking descriptor, attached to the sockets of the loop.
        family: AF_INET or AF_INET6.
        address: Where it is bound, with the real port.
    """

    def __init__(self, loop: Loop, fd: int, family: int, address: Address) -> None:
        self._loop = loop
        conn_class = CheckedDatagramConn if loop.shared.debug else DatagramConn
        local = Address("udp", address.host, address.port, zone=address.zone)
        self._port = DatagramPort(loop, fd, family, local, self, conn_class)
        self._reader = _Reader(loop, loop, self._port)
        self._complaints = Complaints(loop.clock)
        self._wants_write = False
        self._started = False
        self._closed = False

    def start(self) -> None:
        """Begins to receive. The loop's thread."""
        if not self._closed and not self._started:
            try:
                self._loop.attend(self._port.fd, self._reader, self._interest())
            except OSError as error:
                self._loop.logger.error("cannot receive on %s: %s", self._port.local, error)
            else:
                self._started = True

    def close(self) -> None:
        """Sends what has been written and closes the socket; its datagrams cannot be answered any more."""
        if self._closed:
            return
        self._closed = True
        self._port.outbox.settle()
        self._started = False
        self._loop.neglect(self._port.fd)
        with self._loop.descriptor_lock:
            self._port.outbox.close()
            self._loop.sockets.close([self._port.fd])

    def abandon(self) -> int:
        """Lets go of the socket, in a forked child, and returns its descriptor, which is left to close."""
        self._closed = True
        self._port.outbox.close()
        return self._port.fd

    def dup(self) -> int:
        """Duplicates the descriptor. Any thread; OSError once it is closed."""
        with self._loop.descriptor_lock:
            if self._closed:
                raise system_error(-errno.EBADF)
            with self._loop.sockets.borrow(self._port.fd) as sock:
                return duplicate(sock)

    @property
    def outbound_buffered(self) -> int:
        """Bytes written and not sent. Any thread."""
        return self._port.outbox.buffered

    def report_drop(self, waiting: int) -> None:
        """See ``PortOwner.report_drop``."""
        if times := self._complaints.due():
            self._loop.logger.warning(
                "%d bytes wait to be sent on %s: datagrams are dropped (%d)", waiting, self._port.local, times
            )

    def watch_writable(self, on: bool) -> None:
        """See ``PortOwner.watch_writable``."""
        if on != self._wants_write:
            self._wants_write = on
            if self._started:
                self._loop.poller.modify(self._port.fd, self._interest())

    def _interest(self) -> int:
        edge = _EDGE if self._loop.limits.edge_chunk else 0
        return _READ | edge | (_WRITE if self._wants_write else 0)
