"""The parts of a loop whose hot half is in C, and the turn's middle among them."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from types import MethodType
from typing import Protocol, cast

from netcore._native import _hot
from netcore._overriding import stands_for
from netcore.address import Address
from netcore.connection import (
    OVER_BY_EOF,
    BaseCounters,
    BaseDatagramOutbox,
    BaseDatagramPort,
    BaseInbox,
    BaseMeter,
    BaseOutbox,
    DatagramOwner,
    Host,
    PortOwner,
    State,
    failed,
    react,
)
from netcore.connection.datagram.hot import HotDatagramOutbox, HotDatagramPort, HotDatagramSockets
from netcore.connection.stream.hot import (
    HotCounters,
    HotInbox,
    HotMeter,
    HotOutbox,
    HotSessionConnection,
    HotSockets,
    HotStreamConnection,
)
from netcore.eventloop.connections import Connections, Doorkeeper, Streams
from netcore.eventloop.datagram_reader import TakeBatch
from netcore.eventloop.half import Charge, Half
from netcore.eventloop.intake import Intake
from netcore.eventloop.site import Site
from netcore.handler import USUAL_ENDS, Action
from netcore.poll import Poller
from netcore.sockets import Sockets

__all__ = ["HotHalf"]

_WATCHING = ("register", "modify", "unregister")


class HotPoller(Poller, Protocol):
    """A poller that tells C how to wait with it."""

    def hot_wait(self) -> tuple[object, int, int]:
        """See ``NativePoller.hot_wait``."""

    def hot_control(self) -> int:
        """See ``NativePoller.hot_control``."""


class HotIntake(_hot.Intake, Intake):
    """``Intake``, of which C does what a readable stream needs: it waits, receives and calls the handler."""

    def __init__(
        self,
        site: Site,
        streams: Streams,
        planned: Sequence[object],
        poller: HotPoller,
        sockets: HotSockets,
    ) -> None:
        limits, cap = site.limits, sockets.receive_cap
        _hot.Intake.__init__(
            self,
            site,
            site.handler,
            streams,
            planned,
            react,
            failed,
            poller.hot_wait(),
            cap,
            limits.edge_chunk,
        )
        Intake.__init__(self, site, streams, planned)

    def attend(self, turn: object, aftermath: object, pending: Sized) -> None:
        """See ``Intake.attend``."""
        self.look_at(turn, aftermath, pending, self.again)

    def serve(self) -> None:
        """See ``Intake.serve``."""
        earlier = []
        if self.again:
            ready = set(self.ready_streams())  # which are served as such
            earlier = [conn for conn in self._take_again() if conn not in ready]
        rest = self.serve_streams()
        if rest or earlier:
            self._serve_mixed(rest, earlier)

    def serve_rest(self, rest: list[tuple[int, int]]) -> None:
        """Deals with what is ready, in a turn of C's, besides streams to receive from."""
        self._serve_mixed(rest, [])

    def forget(self) -> None:
        """See ``Intake.forget``."""
        super().forget()
        Intake.forget(self)


class HotConnections(_hot.Passage, Connections):
    """``Connections``, whose streams come, and the commonest way go, in C."""

    def __init__(self, site: Site, poller: HotPoller, sockets: HotSockets) -> None:
        streams = _hot.Table()
        self._doors: dict[int, tuple[object, str, object]] = {}
        Connections.__init__(self, site, streams, HotStreamConnection)
        _, place, _ = poller.hot_wait()
        calls = sockets.hot_calls()
        control = poller.hot_control() if _is_as_known(poller, "hot_control", *_WATCHING) else 0
        self._accept = calls["accept"] if _is_as_known(sockets, "hot_calls", "accept") else 0
        close = calls["close"] if _is_as_known(sockets, "hot_calls", "attach", "close") else 0
        _hot.Passage.__init__(
            self,
            site,
            HotStreamConnection,
            streams,
            self.by_id,
            self.arriving,
            self._doors,
            site.shared.gate is not None,
            (poller, place),
            (control, self._accept, close),
            self.first_interest,
            site.limits.idle_timeout or None,
            (react, failed),
            (State.OPEN, State.PEER_CLOSED, State.CLOSED),
            (Action.CLOSE, OVER_BY_EOF),
            (*USUAL_ENDS, MethodType),
        )
        self.noting = site.shared.access_log is not None

    def open_door(self, listener: int, network: str, local: Address | None, acceptor: Doorkeeper) -> None:
        """See ``Connections.open_door``."""
        self._doors[listener] = acceptor, network, local

    def close_door(self, listener: int) -> None:
        """See ``Connections.close_door``."""
        self._doors.pop(listener, None)

    def take_in(
        self, listener: int, limit: int, network: str, local: Address | None
    ) -> tuple[int, int, Sequence[BaseException]]:
        """See ``Connections.take_in``."""
        if not self._accept:
            return Connections.take_in(self, listener, limit, network, local)
        count, error, errors = self.accept(listener, limit, network, local)
        return count, error, errors or ()

    def welcome(
        self, accepted: list[tuple[int, bytes]], network: str, local: Address | None
    ) -> Sequence[BaseException]:
        """See ``Connections.welcome``."""
        return self.open(accepted, network, local) or ()


def _is_as_known(part: object, special: str, *methods: str) -> bool:
    return all(stands_for(special, method, type(part)) for method in methods)


class HotHalf(Half):
    """``Half``, in C.

    Args:
        poller: The loop's.
        sockets: The loop's.
        datagrams: Whether C finds what it needs for datagrams as well.
    """

    def __init__(self, poller: Poller, sockets: Sockets, datagrams: bool) -> None:
        super().__init__(poller, sockets, debug=False)
        self._datagrams = cast("HotDatagramSockets", sockets) if datagrams else None
        self._hot_poller = cast("HotPoller", poller)
        self._hot_sockets = cast("HotSockets", sockets)
        self.stream_class = HotStreamConnection
        self.session_class = HotSessionConnection

    def counters(self) -> BaseCounters:
        """See ``Half.counters``."""
        return HotCounters()

    def meter(self) -> BaseMeter:
        """See ``Half.meter``."""
        return HotMeter()

    def inbox(self) -> BaseInbox:
        """See ``Half.inbox``."""
        return HotInbox(self._hot_sockets)

    def outbox(self, counters: BaseCounters, limit: int, charge: Charge, share: int) -> BaseOutbox:
        """See ``Half.outbox``."""
        assert isinstance(counters, HotCounters)
        return HotOutbox(self._hot_sockets, counters, limit, charge, share)

    def connections(self, site: Site) -> Connections:
        """See ``Half.connections``."""
        self._hosted = HotConnections(site, self._hot_poller, self._hot_sockets)
        return self._hosted

    def intake(self, site: Site, streams: Streams, planned: Sequence[object]) -> Intake:
        """See ``Half.intake``; after ``connections``."""
        intake = HotIntake(site, streams, planned, self._hot_poller, self._hot_sockets)
        intake.let_go_by(self._hosted)
        return intake

    def datagram_outbox(self, host: Host, fd: int, owner: DatagramOwner) -> BaseDatagramOutbox:
        """See ``Half.datagram_outbox``."""
        if self._datagrams is None:
            return super().datagram_outbox(host, fd, owner)
        return HotDatagramOutbox(host, fd, owner, self._datagrams.hot_datagrams()["send"])

    def open_port(
        self, site: Site, fd: int, family: int, local: Address, owner: PortOwner
    ) -> tuple[BaseDatagramPort, TakeBatch]:
        """See ``Half.open_port``."""
        if self._datagrams is None:
            return super().open_port(site, fd, family, local, owner)
        port = HotDatagramPort(site, fd, family, local, owner, self._datagrams)
        return port, port.take_batch
