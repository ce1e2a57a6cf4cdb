"""The listeners of a loop, of streams and of datagrams."""

from __future__ import annotations

from collections.abc import Callable

from netcore.address import Address
from netcore.eventloop.acceptor import Acceptor, Destination, Listener
from netcore.eventloop.datagram_listener import DatagramListener, OpenPort
from netcore.eventloop.kcp_listener import KcpListener
from netcore.eventloop.site import Site

__all__ = ["Listeners"]


class Listeners:
    """What the loop listens on. On its thread from when it runs on, unless "Any thread" is said.

    Args:
        site: The loop.
        here: The same, to which connections go unless a balancer says otherwise.
        open_port: Makes the ports of datagram sockets.
        open_sessions: Makes a listener for KCP of a bound descriptor, its family and address.
    """

    def __init__(
        self,
        site: Site,
        here: Destination,
        open_port: OpenPort,
        open_sessions: Callable[[int, int, Address], KcpListener],
    ) -> None:
        self._site = site
        self._here = here
        self._open_port = open_port
        self._open_sessions = open_sessions
        self._all: dict[Acceptor | DatagramListener, None] = {}
        self._closed = False

    @property
    def outbound_buffered(self) -> int:
        """Bytes of datagrams that servers have written and not sent. Any thread."""
        listeners = [each for each in list(self._all) if not isinstance(each, KcpListener)]
        return sum(listener.outbound_buffered for listener in listeners)

    @property
    def open(self) -> bool:
        """Whether there are any. Any thread."""
        return bool(self._all)

    def add(self, listener: Listener, pick: Callable[[Address], Destination] | None) -> Acceptor:
        """Takes over a listener, without accepting yet. Any thread, if ``start_one`` follows."""
        acceptor = Acceptor(self._site, listener, self._here, pick)
        self._all[acceptor] = None
        return acceptor

    def add_datagrams(self, fd: int, family: int, address: Address) -> DatagramListener:
        """Takes over a bound datagram socket, without receiving yet; likewise."""
        listener = DatagramListener(self._site, fd, family, address, self._open_port)
        self._all[listener] = None
        return listener

    def add_sessions(self, fd: int, family: int, address: Address) -> DatagramListener:
        """Takes over a bound datagram socket for sessions of KCP; likewise."""
        listener = self._open_sessions(fd, family, address)
        self._all[listener] = None
        return listener

    def start(self) -> None:
        """Accepts, and receives, from all of them."""
        for listener in list(self._all):
            listener.start()

    def start_one(self, listener: Acceptor | DatagramListener) -> None:
        """Accepts, or receives, from one that was added later; closes it if all have been closed before."""
        if self._closed:
            self.close_one(listener)
        else:
            listener.start()

    def close(self) -> None:
        """Closes all of them for good: no other will be started."""
        self._closed = True
        for listener in list(self._all):
            self.close_one(listener)

    def close_one(self, listener: Acceptor | DatagramListener) -> None:
        """Closes one of them; the others go on."""
        listener.close()
        self._all.pop(listener, None)

    def abandon(self) -> list[int]:
        """Forgets all of them, in a forked child; returns their descriptors, which are left to close."""
        fds = [listener.abandon() for listener in self._all]
        self._all.clear()
        return [fd for fd in fds if fd >= 0]
