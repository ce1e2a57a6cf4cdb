"""Where accepted connections come to, of this loop's listeners or of another's."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from netcore._complaints import Complaints, plain
from netcore.connection import BaseStream
from netcore.errors import UnsupportedOperationError
from netcore.eventloop.acceptor import Listener
from netcore.eventloop.arrival import Newcomer
from netcore.eventloop.arrivals import Arrivals
from netcore.eventloop.connections import Connections, Doorkeeper
from netcore.eventloop.site import Site
from netcore.sockets import take_passed

__all__ = ["Reception"]


class Reception:
    """Makes connections of accepted descriptors, or leads them on to what has to pass before.

    Args:
        site: The loop.
        connections: What they become a part of.
        arrivals: Where they go if something has to pass before they open.
    """

    def __init__(self, site: Site, connections: Connections, arrivals: Arrivals) -> None:
        self._site = site
        self._connections = connections
        self._arrivals = arrivals
        self._complaints = Complaints(site.clock)

    def hand_over(self, fd: int, name: bytes, listener: Listener) -> None:
        """See ``Destination.hand_over``. Any thread, be it one that hosts this loop as well."""
        self._connections.arriving[fd] = None  # counted at once, for the balancer
        try:
            # One arrival, one task: after the loop's end this runs on the accepting thread, beside our own.
            self._site.post(self.admit, [(fd, name)], listener)
        except BaseException:
            self._connections.arriving.pop(fd, None)
            raise

    def take_in(self, listener: Listener, limit: int) -> tuple[int, int]:
        """See ``Destination.take_in``."""
        if listener.opens_at_once:
            count, failure, errors = self._connections.take_in(
                listener.fd, limit, listener.network, listener.local
            )
        else:
            accepted, failure = self._site.sockets.accept(listener.fd, limit)
            count, errors = len(accepted), self._lead_on(accepted, listener)
        self.complain(errors, listener)
        return count, failure

    def open_door(self, listener: Listener, acceptor: Doorkeeper) -> None:
        """See ``Destination.open_door``."""
        if listener.opens_at_once:
            self._connections.open_door(listener.fd, listener.network, listener.local, acceptor)

    def close_door(self, listener: Listener) -> None:
        """See ``Destination.close_door``."""
        self._connections.close_door(listener.fd)

    def admit(self, accepted: list[tuple[int, bytes]], listener: Listener) -> None:
        """See ``Destination.admit``."""
        if listener.opens_at_once:
            errors = self._connections.welcome(accepted, listener.network, listener.local)
        else:
            errors = self._lead_on(accepted, listener)
        self.complain(errors, listener)

    def _lead_on(self, accepted: list[tuple[int, bytes]], listener: Listener) -> Sequence[BaseException]:
        """Does what ``Connections.welcome`` does for those who cannot be welcomed right away."""
        return self._connections.admit(accepted, partial(self._begin, listener))

    def _begin(self, listener: Listener, fd: int, name: bytes) -> None:
        received = self._take_passed(fd) if listener.was_open else b""
        if listener.phases is not None:
            newcomer = Newcomer(fd, listener.network, name, listener.local, received=received)
            self._arrivals.begin(newcomer, partial(listener.phases, name))
        else:
            prepare = partial(_show, received) if received else None
            self._connections.establish(fd, listener.network, name, listener.local, prepare=prepare)

    def complain(self, errors: Sequence[BaseException], listener: Listener) -> None:
        """See ``Destination.complain``."""
        site = self._site
        for error in errors:
            if not isinstance(error, Exception):
                site.charge(None, error)
            elif not site.stopping and (times := self._complaints.due()):
                # While it stops they are meant to be turned away.
                site.logger.error(
                    "cannot serve a new connection on %s: %s (%d times)",
                    listener.address,
                    plain(error),
                    times,
                )

    def _take_passed(self, fd: int) -> bytes:
        """Closes what its peer has passed before the listener was ours; returns the bytes with it."""
        received = b""
        with suppress(OSError, UnsupportedOperationError), self._site.sockets.borrow(fd) as sock:
            received = take_passed(sock)
        self._site.counters.bytes_received += len(received)
        return received


def _show(received: bytes, conn: BaseStream) -> None:
    conn.bytes_received += len(received)
    with memoryview(received) as bytes_before:
        conn.take_in(bytes_before)
