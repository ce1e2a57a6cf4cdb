"""A socket with sessions of KCP, until the last of them is over."""

from __future__ import annotations

from collections.abc import Callable

from netcore.address import Address
from netcore.connection import BaseDatagramPort, PortOwner
from netcore.eventloop.datagram_listener import DatagramListener
from netcore.eventloop.datagram_reader import TakeBatch, taking
from netcore.eventloop.kcp_port import KcpPort
from netcore.eventloop.site import Site

__all__ = ["KcpListener", "MakePort"]

_PER_BATCH = 256
"""Datagrams that are received at once when a socket is left."""

_BATCHES = 16
"""How often."""

MakePort = Callable[[int, int, Address, PortOwner, Callable[[], object]], KcpPort]
"""Makes the port of a descriptor, with its family, address and owner, and what is called when it is empty."""


class KcpListener(DatagramListener):
    """A datagram socket that is closed when nobody may begin a session there, and the last one is over.

    Args:
        site: The loop that serves it.
        fd: The non-blocking descriptor, attached to the sockets of the loop.
        family: AF_INET or AF_INET6.
        address: Where it is bound, with the real port.
        make_port: Makes the port.
        gone: Called when it is closed at last.
        part: Called when it is closed with sessions left: gives them sockets of their own, as far as it can,
            and then calls ``let_go``.

    Attributes:
        port: Its sessions.
    """

    port: KcpPort

    def __init__(
        self,
        site: Site,
        fd: int,
        family: int,
        address: Address,
        make_port: MakePort,
        gone: Callable[[KcpListener], object],
        part: Callable[[KcpListener], object],
    ) -> None:
        def open_port(
            site: Site, fd: int, family: int, local: Address, owner: PortOwner
        ) -> tuple[BaseDatagramPort, TakeBatch]:
            self.port = port = make_port(fd, family, local, owner, self._emptied)
            self._take_batch = take_batch = taking(site, port)
            return port, take_batch

        self._gone = gone
        self._part = part
        self._ending = False
        self._is_parting = False
        super().__init__(site, fd, family, address, open_port)

    def close(self) -> None:
        """Lets nobody begin a session any more, and those that there are part with the socket."""
        self._is_parting = bool(len(self.port))
        self.end_with_last()
        if self._is_parting:
            self._part(self)

    def end_with_last(self) -> None:
        """Lets nobody begin a session any more; the socket is closed behind the last one."""
        self._ending = True
        self.port.listening = False
        self._emptied()

    def let_go(self) -> None:
        """Goes on with the sessions that have not got sockets of their own, if there are any. In a task."""
        try:
            if not len(self.port):
                self._receive_rest()
        finally:
            self._is_parting = False
            self._emptied()

    def _receive_rest(self) -> None:
        """Hands on what came before its session had a socket of its own, and would go with this one."""
        for _ in range(_BATCHES):
            count, _, code = self._take_batch(_PER_BATCH)
            if not count and not code:
                return

    def _emptied(self) -> None:
        if self._ending and not self._is_parting and not len(self.port):
            super().close()
            self._gone(self)
