"""Receiving datagrams: of a server's socket, or of a dialled one."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Protocol

from netcore.connection import BaseDatagramOutbox, Payer
from netcore.eventloop.site import Site
from netcore.poll import Readiness
from netcore.sockets import CONNECTED, take_errors

__all__ = ["DatagramReader", "Sink", "TakeBatch", "taking"]

_PER_TURN = 256
"""Datagrams received in one turn, so that a flood of them does not starve the others."""

_ERROR_COST = 4096
"""What an error counts of an edge-triggered chunk, so that a lasting one does not hold the loop for ever."""

_WRITABLE, _ERROR = int(Readiness.WRITABLE), int(Readiness.ERROR)
_SENDABLE = int(Readiness.WRITABLE | Readiness.HANGUP | Readiness.ERROR)


TakeBatch = Callable[[int], tuple[int, int, int]]
"""Receives up to so many datagrams and hands them to the handler; returns how many there were, their bytes,
and the negative errno that has ended the batch, or 0."""


class Sink(Payer, Protocol):
    """Whose socket it is: a port or a ``DatagramConnection``."""

    @property
    def outbox(self) -> BaseDatagramOutbox:
        """What has been written."""

    @property
    def fd(self) -> int:
        """The descriptor."""

    @property
    def receiving(self) -> bool:
        """Whether datagrams are wanted."""

    def receive_failed(self, code: int, name: bytes = CONNECTED) -> None:
        """Reports a negative errno, of a datagram to this packed name if that is known."""

    def rest(self) -> None:
        """Leaves the socket alone for a moment."""


class Delivering(Sink, Protocol):
    """A sink that is given what was received."""

    def deliver(self, datagrams: Sequence[tuple[bytes | None, bytes]]) -> None:
        """Hands a batch to the handler."""


def taking(site: Site, sink: Delivering) -> TakeBatch:
    """Makes what receives for a sink, in Python."""

    def take_batch(limit: int) -> tuple[int, int, int]:
        datagrams, code = site.sockets.receive_datagrams(sink.fd, limit)
        count = len(datagrams)
        size = sum([len(data) for data, _ in datagrams if data])  # a list is faster than a generator
        site.counters.datagrams_received += count
        site.counters.bytes_received += size
        sink.deliver(datagrams)
        return count, size, code

    return take_batch


class DatagramReader:
    """Receives from one socket when the poller says so; a ``Watcher``.

    Args:
        site: The loop.
        sink: Whose socket it is.
        take_batch: What receives for it.
    """

    def __init__(self, site: Site, sink: Sink, take_batch: TakeBatch) -> None:
        self._site = site
        self._sink = sink
        self._take_batch = take_batch
        self._found = False

    def ready(self, readiness: int) -> None:
        """See ``Watcher.ready``."""
        sink = self._sink
        if readiness & _SENDABLE and sink.outbox.backed_up:
            sink.outbox.refill()
        if not readiness & ~_WRITABLE:
            return
        self._found = False
        if readiness & _ERROR:
            self._empty_error_queue()
        if sink.receiving:
            if self._receive():
                self._site.watchers.going_on += 1
                # Tasks of a turn run after its events, so it takes one of them to reach the next turn.
                self._site.post(self._site.post, self.go_on)
        elif readiness & _ERROR:
            self._take_error()
        if readiness & _ERROR and not self._found and not self._site.limits.edge_chunk:
            sink.rest()  # lest the poller repeat itself in every turn

    def go_on(self) -> None:
        """Receives without waiting for readiness, which an edge tells only once. A task of each turn."""
        try:
            more = self._receive()
        except BaseException as error:
            self._site.charge(self, error)
            more = False
        if more:
            self._site.post(self.go_on)
        else:
            self._site.watchers.going_on -= 1

    def fault(self, error: Exception) -> None:
        """See ``Payer.fault``: whose socket it is pays."""
        self._sink.fault(error)

    def _receive(self) -> bool:
        """Takes one batch; edge-triggered, batch after batch until nothing is left or the turn is full.

        Returns:
            Whether there may be more, of which the poller will not tell.
        """
        sink = self._sink
        chunk = self._site.limits.edge_chunk
        portion = self._site.watchers.portion(DatagramReader, _PER_TURN)
        edges = chunk > 0
        while sink.receiving:
            count, size, code = self._take_batch(portion)
            self._found = self._found or bool(count or code)
            if code:
                sink.receive_failed(code)
                chunk -= _ERROR_COST
                portion -= 1
            elif not count:
                return False
            if not edges:
                return False
            chunk -= size
            portion -= count
            if chunk <= 0 or portion <= 0:
                return True
        return False

    def _take_error(self) -> None:
        """Asks for an error that the poller would report for ever, since nobody receives."""
        with self._site.sockets.borrow(self._sink.fd) as sock:
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._found = True
            self._sink.receive_failed(-code)

    def _empty_error_queue(self) -> None:
        """Tells of the errors that the system keeps apart; by that they are the socket's no more."""
        errors, self._found = take_errors(self._site.sockets, self._sink.fd)
        for code, name in errors:
            self._sink.receive_failed(code, name)
