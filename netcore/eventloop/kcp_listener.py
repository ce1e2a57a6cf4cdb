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
    ) -> None:
        def open_port(
            site: Site, fd: int, family: int, local: Address, owner: PortOwner
        ) -> tuple[BaseDatagramPort, TakeBatch]:
            self.port = port = make_port(fd, family, local, owner, self._emptied)
            return port, taking(site, port)

        self._gone = gone
        self._ending = False
        super().__init__(site, fd, family, address, open_port)

    def close(self) -> None:
        """Lets nobody begin a session any more; the socket is closed behind the last one."""
        self._ending = True
        self.port.listening = False
        self._emptied()

    def _emptied(self) -> None:
        if self._ending and not len(self.port):
            super().close()
            self._gone(self)
