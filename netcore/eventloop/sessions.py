"""The sessions of a loop: of its listeners for KCP, and those that it dials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from netcore.address import Address
from netcore.connection import DIALLED, BaseDatagramOutbox, BaseSession, Host, PortOwner
from netcore.connection import Session as AnySession
from netcore.eventloop.connections import Connections
from netcore.eventloop.kcp_listener import KcpListener
from netcore.eventloop.kcp_parting import Parting
from netcore.eventloop.kcp_port import KcpPort
from netcore.eventloop.kcp_session import KcpSession, random_number
from netcore.eventloop.site import Site
from netcore.kcp import KcpOptions

__all__ = ["SessionParts", "Sessions"]


class SessionParts(Protocol):
    """Those parts that there are in two kinds; see ``Half``."""

    session_class: Callable[[Site, AnySession, bytes | Address, Address], BaseSession]

    def datagram_outbox(self, host: Host, fd: int, owner: KcpPort) -> BaseDatagramOutbox:
        """Makes what sends datagrams."""


class Sessions:
    """Opens sockets for sessions, and is what their ports know of the connections. On the loop's thread.

    Args:
        site: The loop.
        connections: What their connections are a part of.
        parts: Makes those parts that there are in two kinds.
    """

    def __init__(self, site: Site, connections: Connections, parts: SessionParts) -> None:
        self._site = site
        self._connections = connections
        self._parts = parts
        self._options = site.shared.kcp or KcpOptions()
        self._open: dict[KcpListener, None] = {}

    @property
    def outbound_buffered(self) -> int:
        """Bytes of datagrams that the kernel has not taken. Any thread."""
        return sum(listener.outbound_buffered for listener in list(self._open))

    def listen(self, fd: int, family: int, address: Address) -> KcpListener:
        """Takes over a bound datagram socket, without receiving yet. Any thread, if it is started later."""
        listener = KcpListener(self._site, fd, family, address, self._make_port, self._gone, self._part)
        self._open[listener] = None
        return listener

    def dial(self, fd: int, family: int, remote: Address, local: Address, context: object) -> BaseSession:
        """Begins a session through a connected datagram socket, which it takes over, and opens it."""
        listener = self.listen(fd, family, local)
        listener.start()
        try:
            conn = listener.port.dial(random_number(), remote, context)
        finally:
            listener.end_with_last()
        return conn

    def _make_port(
        self, fd: int, family: int, local: Address, owner: PortOwner, emptied: Callable[[], object]
    ) -> KcpPort:
        site, parts = self._site, self._parts
        return KcpPort(
            site,
            fd,
            family,
            local,
            owner,
            lambda port: parts.datagram_outbox(site, fd, port),
            self._options,
            self,
            emptied,
        )

    def _part(self, listener: KcpListener) -> None:
        Parting(self._site, listener, self.listen).start()

    def _gone(self, listener: KcpListener) -> None:
        self._open.pop(listener, None)

    # What the ports know.

    def make(self, session: KcpSession, remote: bytes | Address, local: Address) -> BaseSession:
        """See ``KcpHost.make``."""
        conn = self._parts.session_class(self._site, session, remote, replace(local, network="kcp"))
        session.belong_to(conn)
        return conn

    def open(self, conn: BaseSession, accepted: bool) -> None:
        """See ``KcpHost.open``."""
        site = self._site
        if accepted:
            site.counters.accepted += 1
        else:  # its place is that of its socket
            conn.note_origin(DIALLED)
        self._connections.establish_session(conn, site.limits.idle_timeout or self._options.idle_timeout)

    def take_place(self) -> bool:
        """See ``KcpHost.take_place``."""
        gate = self._site.shared.gate
        return not self._site.stopping and (gate is None or gate.take(1, _nothing) > 0)

    def give_place_back(self) -> None:
        """See ``KcpHost.give_place_back``."""
        gate = self._site.shared.gate
        if gate is not None and not self._connections.abandoned:  # in a forked child: they are the parent's
            gate.give_back(1)

    def abandon(self) -> list[int]:
        """Forgets all of them, in a forked child; returns their descriptors, which are left to close."""
        fds = [listener.abandon() for listener in self._open]
        self._open.clear()
        return [fd for fd in fds if fd >= 0]


def _nothing() -> None:
    """Nobody waits for a place: who gets none comes again."""
