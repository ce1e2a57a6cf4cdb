"""Sessions part with the socket of a listener that has closed, since it is another process's by now.

The successor of a process has bound the same port, or has a duplicate of the socket, and the kernel does not
know whose session a datagram is for. So each session gets a socket of its own that is connected to its peer.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable

from netcore._complaints import complain
from netcore._machine import current
from netcore._native import error as system_error
from netcore.address import Address
from netcore.connection import State
from netcore.errors import UnsupportedOperationError
from netcore.eventloop.kcp_listener import KcpListener
from netcore.eventloop.kcp_session import KcpSession
from netcore.eventloop.site import Site
from netcore.sockets import Beside, sharing, sockets_beside

__all__ = ["Parting"]

_PER_TURN = 32
"""Sessions that get sockets in one turn: a bind(2) takes as long as there are sockets of the port."""

_MOST = 4096
"""Sockets beside one. Linux looks at each, some ten nanoseconds, for every datagram of the successor's."""

_MOST_TAKEN = 0.75
"""Which part of the descriptors that there may be is taken at most; the others are left to others."""

_OF_ONE_PEER = frozenset({errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN})
"""What fails with one peer, and not therefore with the next: an address or a route that is gone."""


class Parting:
    """Moves the sessions of one listener to sockets of their own, some in each turn. The loop's thread.

    Those for which there is none stay where they are, and what comes for them goes to either process.

    Args:
        site: The loop.
        listener: Where nobody begins a session any more.
        listen: Takes over a socket, given its family and address.
    """

    def __init__(
        self, site: Site, listener: KcpListener, listen: Callable[[int, int, Address], KcpListener]
    ) -> None:
        self._site = site
        self._listener = listener
        self._listen = listen
        self._waiting: list[KcpSession] = []
        self._are_too_many = False

    def start(self) -> None:
        """Begins in the next turn: sessions that end with their listener are gone by then."""
        self._site.post(self._site.post, self._begin)

    def _begin(self) -> None:
        sessions = self._listener.port.sessions
        self._waiting = sessions[:_MOST][::-1]
        self._are_too_many = len(sessions) > _MOST
        self._go_on()

    def _go_on(self) -> None:
        goes_on = False
        try:
            goes_on = self._move_some()
        except (OSError, UnsupportedOperationError) as error:
            self._complain(error)
        finally:
            if goes_on:
                self._site.post(self._go_on)
            else:
                self._listener.let_go()

    def _move_some(self) -> bool:
        """Moves as many as is good for one turn; returns whether there are more that can be moved."""
        site, port = self._site, self._listener.port
        batch = [session for session in self._waiting[-_PER_TURN:][::-1] if _stays(session)]
        del self._waiting[-_PER_TURN:]
        if not batch:
            return bool(self._waiting)
        with site.sockets.borrow(port.fd) as sock:
            like = sockets_beside(sock, site.shared.socket_options)
            if like is None:
                return False
            with sharing(sock, like.share):
                for session in batch:
                    self._move(session, like)
        if self._are_too_many and not self._waiting:
            self._complain(f"no more than {_MOST} get sockets of their own")
        return bool(self._waiting)

    def _move(self, session: KcpSession, like: Beside) -> None:
        """Moves one; raises OSError if there are no sockets for others either."""
        site = self._site
        endpoint, options, name = like.place(session.name)
        fd, code = site.sockets.connect(endpoint, socket.SOCK_DGRAM, options)
        if -code in _OF_ONE_PEER:
            self._complain(system_error(code))
            return
        if code:
            raise system_error(code)
        if current().descriptors_taken(fd) >= _MOST_TAKEN:
            site.descriptors.release([fd])
            raise system_error(-errno.EMFILE)
        listener = self._listen(fd, endpoint.family, session.conn.local_address)
        listener.start()
        try:
            listener.port.take_over(session, name, self._listener.port)
        finally:
            listener.end_with_last()

    def _complain(self, why: Exception | str) -> None:
        text = "sessions stay on the socket of %s, of which a successor may get datagrams: %s"
        local = self._listener.port.local
        complain(self._site.logger, logging.WARNING, "parting", text, local, why)


def _stays(session: KcpSession) -> bool:
    return not session.is_over and session.conn.state is not State.CLOSED
