"""A server's datagram socket: the hot loop from a batch to the handler, and what its datagrams share."""

from __future__ import annotations

import abc
import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from netcore._native import error as system_error
from netcore.address import Address
from netcore.connection.core import Host, Payer, Pledges, Served, failed, react, run
from netcore.connection.datagram.answer import BaseDatagramConn, DatagramConn
from netcore.connection.datagram.nobody import NOBODY
from netcore.connection.datagram.outbox import BaseDatagramOutbox, DatagramOutbox
from netcore.errors import ConnectionClosedError
from netcore.sockets import CONNECTED, pack_receiver

__all__ = ["BaseDatagramPort", "DatagramPort", "PortOwner", "too_long"]


class PortOwner(Payer, Protocol):
    """What a port needs of who watches its socket."""

    def watch_writable(self, on: bool) -> None:
        """See ``DatagramOwner.watch_writable``."""

    def report_drop(self, waiting: int) -> None:
        """A datagram was dropped since so many bytes are waiting already."""

    def rest(self) -> None:
        """Leaves the socket alone for a moment."""


class BaseDatagramPort:
    """One socket that datagrams of any sender come to.

    Attributes:
        host: The loop that serves it.
        fd: The descriptor.
        family: AF_INET or AF_INET6.
        local: Where it is bound, with network "udp".
        outbox: What has been written to it.
        pledges: What asynchronous writes are to write to it.
    """

    outbox: BaseDatagramOutbox

    def __init__(self, host: Host, fd: int, family: int, local: Address, owner: PortOwner) -> None:
        self.host = host
        self.fd = fd
        self.family = family
        self.local = local
        self._owner: PortOwner = owner
        self.pledges = Pledges()

    def close(self) -> None:
        """Drops what waits to be sent, and lets go of its owner: the socket is about to be closed."""
        self.outbox.close()
        self._owner = NOBODY

    @property
    def outbound_buffered(self) -> int:
        """See ``Port.outbound_buffered``."""
        return self.outbox.buffered + self.pledges.size

    @property
    def receiving(self) -> bool:
        """Whether datagrams are wanted."""
        return self.outbox.open

    @abc.abstractmethod
    def conn_to(self, name: bytes, /) -> BaseDatagramConn:
        """See ``Port.conn_to``."""

    def lost(self, name: bytes) -> None:
        """Reports a datagram that was longer than what is received at once, from this packed name."""
        run(self.host, self.conn_to(name), self.host.handler.on_error, too_long())

    def receive_failed(self, code: int, name: bytes = CONNECTED) -> None:
        """Reports a negative errno of receiving; about a datagram to this packed name, if that is known."""
        run(self.host, self.conn_to(name), self.host.handler.on_error, system_error(code))

    def rest(self) -> None:
        """Has the socket left alone for a moment."""
        self._owner.rest()

    def fault(self, error: Exception) -> None:
        """See ``Payer.fault``: who watches the socket pays."""
        self._owner.fault(error)

    def send_failed(self, sender: Served, error: OSError) -> None:
        """See ``DatagramOwner.send_failed``."""
        run(self.host, sender, self.host.handler.on_error, error)

    def overflowed(self, waiting: int) -> None:
        """See ``DatagramOwner.overflowed``: drops the datagram, as the network would."""
        self.host.counters.datagrams_dropped += 1
        self._owner.report_drop(waiting)

    def watch_writable(self, on: bool) -> None:
        """See ``DatagramOwner.watch_writable``."""
        self._owner.watch_writable(on)

    def had_share(self) -> None:
        """See ``DatagramOwner.had_share``; ``writable`` says so for the rest of the turn."""

    def sent(self, size: int) -> None:
        """See ``DatagramOwner.sent``; each connection knows what was written with it."""

    def drained(self) -> None:
        """See ``DatagramOwner.drained``; no connection lives long enough to be told."""

    def pack(self, address: Address | str) -> bytes:
        """See ``Port.pack``."""
        return pack_receiver(Address.parse(address), self.family)

    @contextmanager
    def borrowed(self) -> Iterator[socket.socket]:
        """Lends a socket object; the lock keeps the loop from closing the descriptor meanwhile."""
        with self.host.descriptor_lock:
            if not self.outbox.open:
                raise ConnectionClosedError(f"the server on {self.local} has closed")
            with self.host.sockets.borrow(self.fd) as sock:
                yield sock


class DatagramPort(BaseDatagramPort):
    """A port in Python.

    Attributes:
        conn_class: What its datagrams come with.
    """

    outbox: DatagramOutbox

    def __init__(
        self,
        host: Host,
        fd: int,
        family: int,
        local: Address,
        owner: PortOwner,
        conn_class: type[DatagramConn] = DatagramConn,
    ) -> None:
        super().__init__(host, fd, family, local, owner)
        self.conn_class = conn_class
        self.outbox = DatagramOutbox(host, fd, self)

    def conn_to(self, name: bytes, /) -> DatagramConn:
        """See ``Port.conn_to``."""
        return self.conn_class(self, b"", name)

    def deliver(self, datagrams: Sequence[tuple[bytes | None, bytes]]) -> None:
        """Calls ``on_traffic`` once for each datagram.

        As in ``stream.dispatch`` each step is paid once per message, and spelled out. One that fails costs
        its datagram.
        """
        host = self.host
        on_traffic = host.handler.on_traffic
        inbox = host.inbox
        views = inbox.views
        conn_class = self.conn_class
        rest = iter(datagrams)
        meter = host.counters.meter
        if meter is not None:
            meter.look()
        while True:
            try:
                for data, name in rest:
                    if data is None:
                        self.lost(name)
                        continue
                    conn = conn_class(self, data, name)
                    try:
                        action = on_traffic(conn)
                    except BaseException as error:
                        action = None
                        failed(host, conn, error)
                    else:
                        if meter is not None:
                            meter.called()
                    conn.data = b""
                    if views:
                        inbox.release_views()
                    if action is not None:
                        react(host, conn, on_traffic, action)
                return
            except BaseException as error:
                host.charge(None, error)


def too_long() -> OSError:
    """Makes the error of a datagram that was longer than what is received at once."""
    return OSError(errno.EMSGSIZE, "a datagram was longer than read_buffer_cap, and is lost")
