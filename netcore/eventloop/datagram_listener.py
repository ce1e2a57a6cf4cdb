"""The datagram sockets of servers."""

from __future__ import annotations

import errno
from collections.abc import Callable

from netcore._complaints import Complaints
from netcore._native import error as system_error
from netcore.address import Address
from netcore.connection import BaseDatagramPort, PortOwner
from netcore.eventloop.datagram_reader import DatagramReader, TakeBatch
from netcore.eventloop.site import Site
from netcore.handler import Timer
from netcore.poll import Interest
from netcore.sockets import duplicate

__all__ = ["DatagramListener", "OpenPort"]

OpenPort = Callable[[Site, int, int, Address, PortOwner], tuple[BaseDatagramPort, TakeBatch]]
"""Makes the port of a descriptor, with its family, address and owner, and what receives for it."""

_REST = 0.01
"""Seconds for which a socket is left alone whose poller has reported an error that it does not have."""

_READ, _WRITE, _EDGE = int(Interest.READ), int(Interest.WRITE), int(Interest.EDGE)

_RETRY = 0.1
"""Seconds until a socket that could not be watched, or received from, is tried again."""


class DatagramListener:
    """A bound datagram socket and the port behind it; what an ``Acceptor`` is for streams.

    Args:
        site: The loop that serves it.
        fd: The non-blocking descriptor, attached to the sockets of the loop.
        family: AF_INET or AF_INET6.
        address: Where it is bound, with the real port.
        open_port: Makes the port.
    """

    def __init__(self, site: Site, fd: int, family: int, address: Address, open_port: OpenPort) -> None:
        self._site = site
        local = Address("udp", address.host, address.port, zone=address.zone)
        self._port, take_batch = open_port(site, fd, family, local, self)
        self._reader = DatagramReader(site, self._port, take_batch)
        self._complaints = Complaints(site.clock)
        self._wants_write = False
        self._started = False
        self._closed = False
        self._retry: Timer | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._port.local}>"

    def start(self) -> None:
        """Begins, or begins again, to receive. The loop's thread."""
        if not self._closed and not self._started:
            try:
                self._site.watchers.attend(self._port.fd, self._reader, self._interest())
            except BaseException as error:
                self._site.charge(self, error)
            else:
                self._started = True

    def fault(self, error: Exception) -> None:
        """See ``Payer.fault``. What is written waits."""
        self._back_off(_RETRY)

    def rest(self) -> None:
        """See ``PortOwner.rest``."""
        self._back_off(_REST)

    def _back_off(self, seconds: float) -> None:
        """Leaves the socket alone for a little while."""
        self._pause()
        if not self._closed and self._retry is None:
            self._retry = self._site.schedule(seconds, self._start_again)

    def _start_again(self) -> None:
        self._retry = None
        self.start()

    def _pause(self) -> None:
        self._started = False
        self._site.watchers.neglect(self._port.fd)

    def close(self) -> None:
        """Sends what has been written and closes the socket; its datagrams cannot be answered any more.

        What the kernel's buffer has no room for just now is dropped, as the network would. What waits to be
        received stays with the socket, for whoever has a duplicate of it.
        """
        if self._closed:
            return
        self._closed = True
        try:
            dropped = self._port.outbox.finish()
        except BaseException as error:
            self._site.charge(self, error)
        else:
            if dropped:
                self._site.counters.datagrams_dropped += dropped
                text = "%d datagrams are dropped: the system took no more when %s was closed"
                self._site.logger.warning(text, dropped, self._port.local)
        self._pause()
        with self._site.descriptor_lock:
            self._port.close()
        self._site.descriptors.release([self._port.fd])

    def abandon(self) -> int:
        """Lets go of the socket, in a forked child, and returns its descriptor; see ``Acceptor.abandon``."""
        fd = -1 if self._closed else self._port.fd
        self._closed = True
        self._port.close()
        return fd

    def dup(self) -> int:
        """Duplicates the descriptor. Any thread; OSError once it is closed."""
        with self._site.descriptor_lock:
            if self._closed:
                raise system_error(-errno.EBADF)
            with self._site.sockets.borrow(self._port.fd) as sock:
                return duplicate(sock)

    @property
    def outbound_buffered(self) -> int:
        """Bytes written and not sent. Any thread."""
        return self._port.outbound_buffered

    def report_drop(self, waiting: int) -> None:
        """See ``PortOwner.report_drop``."""
        if times := self._complaints.due():
            self._site.logger.warning(
                "%d bytes wait to be sent on %s: datagrams are dropped (%d)", waiting, self._port.local, times
            )

    def watch_writable(self, on: bool) -> None:
        """See ``PortOwner.watch_writable``."""
        if on != self._wants_write:
            self._wants_write = on
            if self._started:
                try:
                    self._site.watchers.change(self._port.fd, self._interest())
                except BaseException as error:
                    self._site.charge(self, error)

    def _interest(self) -> int:
        edge = _EDGE if self._site.limits.edge_chunk else 0
        return _READ | edge | (_WRITE if self._wants_write else 0)
