"""Those parts of a loop that there are in two kinds, and what makes them in Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netcore.address import Address
from netcore.connection import (
    BaseCounters,
    BaseDatagramOutbox,
    BaseDatagramPort,
    BaseInbox,
    BaseMeter,
    BaseOutbox,
    BaseSession,
    BaseStream,
    CheckedDatagramConn,
    CheckedSessionConnection,
    CheckedStreamConnection,
    Counters,
    DatagramConn,
    DatagramOutbox,
    DatagramOwner,
    DatagramPort,
    Host,
    Inbox,
    Meter,
    Outbox,
    Payer,
    PortOwner,
    SessionConnection,
    StreamConnection,
)
from netcore.eventloop.connections import Connections, Streams
from netcore.eventloop.datagram_reader import TakeBatch, taking
from netcore.eventloop.intake import Intake
from netcore.eventloop.site import Site
from netcore.poll import Poller
from netcore.sockets import Sockets

__all__ = ["Charge", "Half"]

Charge = Callable[[Payer | None, BaseException], object]
"""See ``Host.charge``."""


class Half:
    """Makes those parts of a loop that there are in two kinds: here, in Python.

    Args:
        poller: The loop's.
        sockets: The loop's.
        debug: Check the thread rules.
    """

    def __init__(self, poller: Poller, sockets: Sockets, debug: bool) -> None:
        self._poller = poller
        self._sockets = sockets
        self._datagram_class = CheckedDatagramConn if debug else DatagramConn
        self.stream_class: Callable[..., BaseStream] = CheckedStreamConnection if debug else StreamConnection
        self.session_class: Callable[..., BaseSession] = (
            CheckedSessionConnection if debug else SessionConnection
        )

    def counters(self) -> BaseCounters:
        """Makes the counters."""
        return Counters()

    def meter(self) -> BaseMeter:
        """Makes what measures turns and callbacks."""
        return Meter()

    def inbox(self) -> BaseInbox:
        """Makes what receives."""
        return Inbox(self._sockets)

    def outbox(self, counters: BaseCounters, limit: int, charge: Charge, share: int) -> BaseOutbox:
        """Makes what sends; see ``Outbox``."""
        return Outbox(self._sockets, counters, limit, charge, share)

    def connections(self, site: Site) -> Connections:
        """Makes what keeps connections; see ``Connections``."""
        streams: dict[int, BaseStream] = {}
        return Connections(site, streams, self.stream_class)

    def intake(self, site: Site, streams: Streams, planned: Sequence[object]) -> Intake:
        """Makes what receives from them; see ``Intake``."""
        return Intake(site, streams, planned)

    def datagram_outbox(self, host: Host, fd: int, owner: DatagramOwner) -> BaseDatagramOutbox:
        """Makes what sends datagrams; see ``DatagramOutbox``."""
        return DatagramOutbox(host, fd, owner)

    def open_port(
        self, site: Site, fd: int, family: int, local: Address, owner: PortOwner
    ) -> tuple[BaseDatagramPort, TakeBatch]:
        """Makes the port of a server's datagram socket; see ``OpenPort``."""
        port = DatagramPort(site, fd, family, local, owner, self._datagram_class)
        return port, taking(site, port)
