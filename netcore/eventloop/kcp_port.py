"""The sessions of one datagram socket: whose a datagram is, who may begin one, and what is left of them."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NoReturn, Protocol

from netcore._complaints import Complaints, complain
from netcore.address import Address
from netcore.connection import (
    BaseDatagramOutbox,
    BaseDatagramPort,
    BaseSession,
    PortOwner,
)
from netcore.eventloop.kcp_session import KcpSession
from netcore.eventloop.pacer import Pacer
from netcore.eventloop.site import Site
from netcore.handler import Timer
from netcore.kcp import KcpOptions
from netcore.kcp.wire import opening
from netcore.sockets import CONNECTED, destination_of, packed_host, unpack_name

__all__ = ["KcpHost", "KcpPort"]

_CONVERSATION = 4
"""Bytes of a datagram that say whose it is."""

_HALF_OPEN = 10.0
"""Seconds of silence after which a peer that has not proven its address is given up."""

_MOST_HALF_OPEN = 65536
"""Sessions of a socket whose peers have not proven their addresses; no more may begin then."""

_MOST_HALF_OPEN_OF_ONE = 1024
"""Such of one address."""

_MOST_FORMER = 65536
"""Sessions that are over of which it is known what is still to come; the oldest are forgotten first."""

_FORMER = 30.0
"""Seconds for which it is known, from the last of their datagrams on."""

# Why a datagram is dropped, as the log has it.
_NO_BEGINNING = "it begins no session; with encryption or error correction, as of kcp-go, none does"
_LATE = "its session is over"
_CROWDED = "too many peers have not proven their addresses"
_FULL = "max_connections are open, or the end has begun"
_BAD = "it is malformed, or says what cannot be"
_TOO_LONG = "it is longer than read_buffer_cap"


class KcpHost(Protocol):
    """What the ports need besides a loop."""

    def make(self, session: KcpSession, remote: bytes | Address, local: Address) -> BaseSession:
        """Makes the connection of a session."""

    def open(self, conn: BaseSession, accepted: bool) -> None:
        """Opens it, in the place that was taken if it is accepted."""

    def take_place(self) -> bool:
        """Takes a place for a session to be accepted, before anything is made; False if there is none."""

    def give_place_back(self) -> None:
        """Gives one back."""


class KcpPort(BaseDatagramPort):
    """One socket, and the conversations that go through it.

    Args:
        site: The loop.
        fd: The socket.
        family: AF_INET or AF_INET6.
        local: Where it is bound.
        owner: Who watches it.
        outbox: Makes what sends, for this.
        options: Those of KCP.
        host: Makes connections of sessions.
        emptied: Called when the last session is over.

    Attributes:
        pacer: Of all its sessions.
        listening: Whether peers may begin sessions.
    """

    def __init__(
        self,
        site: Site,
        fd: int,
        family: int,
        local: Address,
        owner: PortOwner,
        outbox: Callable[[KcpPort], BaseDatagramOutbox],
        options: KcpOptions,
        host: KcpHost,
        emptied: Callable[[], object],
    ) -> None:
        super().__init__(site, fd, family, replace(local, network="kcp"), owner)
        self.outbox = outbox(self)
        self.pacer = Pacer(site, options.interval)
        self.listening = True
        self._site = site
        self._options = options
        self._kcp_host = host
        self._emptied = emptied
        self._sessions: dict[bytes, KcpSession] = {}
        self._dialled: KcpSession | None = None
        self._half_open: dict[KcpSession, Timer] = {}
        self._half_open_of: dict[bytes, int] = {}
        self._former: dict[bytes, float] = {}
        self._moved: dict[bytes, KcpSession] = {}
        self._complaints = Complaints(site.clock)

    def __len__(self) -> int:
        return len(self._sessions)

    def dial(self, conversation: int, remote: Address, context: object) -> BaseSession:
        """Begins a session with the peer that the socket is connected to, the only one it will have."""
        self.listening = False
        key = conversation.to_bytes(_CONVERSATION, "little")
        session = KcpSession(self._site, self, conversation, key, CONNECTED, self._options, unproven=False)
        conn = self._kcp_host.make(session, remote, self.local)
        conn.context = context
        self._dialled = self._sessions[key] = session
        self._kcp_host.open(conn, accepted=False)
        return conn

    def close(self) -> None:
        """See ``BaseDatagramPort.close``."""
        super().close()
        self._emptied = _nothing

    @property
    def sessions(self) -> list[KcpSession]:
        """Those that go through its socket, first those whose peers have proven their addresses."""
        return sorted(self._sessions.values(), key=self._half_open.__contains__)

    def take_over(self, session: KcpSession, name: bytes, former: KcpPort) -> None:
        """Goes on with a session of another port, since this one's socket is connected to its peer.

        What that port still receives for it gets to it. Others may have sent here before the socket was
        connected: so it is the sender, too, that tells whose a datagram is.

        Args:
            session: One of that port's.
            name: The peer's packed name, as this socket has it.
            former: That port.
        """
        self.listening = False
        self.pacer = former.pacer
        self._half_open, self._half_open_of = former._half_open, former._half_open_of
        del former._sessions[session.key]
        former._moved[session.key] = session
        key = name + session.key[-_CONVERSATION:]
        self._sessions[key] = session
        session.move(self, key)

    def deliver(self, datagrams: Sequence[tuple[bytes | None, bytes]]) -> None:
        """Hands each datagram to its session, and calls ``on_traffic`` once for each that is to read."""
        site = self._site
        sessions = self._sessions
        connected = self._dialled is not None
        now = site.clock()
        told: dict[BaseSession, None] = {}
        rest = iter(datagrams)
        session: KcpSession | None = None
        while True:
            try:
                for data, name in rest:
                    session = None
                    if data is None:
                        self.lost(name)
                        continue
                    key = data[:_CONVERSATION] if connected else name + data[:_CONVERSATION]
                    session = sessions.get(key)
                    if session is None:
                        session = self._begin(key, data, name)
                        if session is None:
                            continue
                    if session.conn.take(data, now):
                        told[session.conn] = None
                break
            except BaseException as error:
                site.charge(session, error)
        for conn in told:
            try:
                conn.show_what_came()
            except BaseException as error:
                site.charge(conn, error)

    def _begin(self, key: bytes, data: bytes, name: bytes) -> KcpSession | None:
        """Begins a session for a datagram that may begin one, or finds one that has moved; else None."""
        moved = self._moved.get(key)
        if moved is not None and not moved.is_over:
            return moved
        conversation = opening(data, self._options.receive_window) if self.listening else None
        objection = self._objection(conversation, key, name)
        if conversation is None or objection:
            self._drop(name, objection)
            return None
        try:
            session = KcpSession(self._site, self, conversation, key, name, self._options, unproven=True)
            local = destination_of(name, self.local.port) or self.local
            conn = self._kcp_host.make(session, name, local)
            self._half_open[session] = self._site.schedule(_HALF_OPEN, self._look_at, session)
        except BaseException:
            self._kcp_host.give_place_back()
            raise
        self._sessions[key] = session
        peer = packed_host(name)
        self._half_open_of[peer] = self._half_open_of.get(peer, 0) + 1
        self._kcp_host.open(conn, accepted=True)
        return self._sessions.get(key)  # its ``on_open`` may have ended it

    def _objection(self, conversation: int | None, key: bytes, name: bytes) -> str:
        """Says why a datagram begins no session; empty if it does, and then there is a place for it."""
        if conversation is None:
            return _NO_BEGINNING
        if self._is_former(key):
            return _LATE
        if self._is_crowded(name):
            return _CROWDED
        return "" if self._kcp_host.take_place() else _FULL

    def _is_former(self, key: bytes) -> bool:
        """Whether this is late for a session that is over, and not the beginning of another."""
        until = self._former.get(key)
        if until is None:
            return False
        now = self._site.clock()
        if until < now:
            del self._former[key]
            return False
        del self._former[key]  # and behind the others again
        self._former[key] = now + _FORMER
        return True

    def _is_crowded(self, name: bytes) -> bool:
        if len(self._half_open) < _MOST_HALF_OPEN_OF_ONE:
            return False
        return (
            len(self._half_open) >= _MOST_HALF_OPEN
            or self._half_open_of.get(packed_host(name), 0) >= _MOST_HALF_OPEN_OF_ONE
        )

    def _look_at(self, session: KcpSession) -> None:
        """Asks whether a session that is half open has been silent."""
        silent = self._site.clock() - session.heard_at
        if silent >= _HALF_OPEN:
            session.give_up(silent)
        else:
            self._half_open[session] = self._site.schedule(_HALF_OPEN - silent, self._look_at, session)

    def has_proven(self, session: KcpSession) -> None:
        """See ``SessionOwner.has_proven``."""
        timer = self._half_open.pop(session, None)
        if timer is not None:
            timer.cancel()  # which would keep a session that is over for so long
            peer = packed_host(session.name)
            left = self._half_open_of[peer] - 1
            if left:
                self._half_open_of[peer] = left
            else:
                del self._half_open_of[peer]

    def left(self, session: KcpSession) -> None:
        """See ``SessionOwner.left``: what comes for it later begins no other."""
        self._sessions.pop(session.key, None)
        self.has_proven(session)
        if session is self._dialled:
            self._dialled = None  # which leads back to here
        else:
            self._kcp_host.give_place_back()
        if self.listening:
            self._former[session.key] = self._site.clock() + _FORMER
            if len(self._former) > _MOST_FORMER:
                del self._former[next(iter(self._former))]
        if not self._sessions:
            self._emptied()

    # What goes wrong with the socket, or its datagrams, is what a line does to them.

    def refused(self, name: bytes) -> None:
        """See ``SessionOwner.refused``."""
        self._drop(name, _BAD)

    def lost(self, name: bytes) -> None:
        """See ``BaseDatagramPort.lost``."""
        self._drop(name, _TOO_LONG)

    def _drop(self, name: bytes, why: str) -> None:
        """Counts a datagram that is dropped, and tells whoever looks for it; its sender is told nothing."""
        logger = self._site.logger
        if logger.isEnabledFor(logging.DEBUG):
            sender = "its peer" if name == CONNECTED else unpack_name(name, "kcp")
            text = "%s: a datagram from %s is dropped: %s"
            complain(logger, logging.DEBUG, ("kcp", why), text, self.local, sender, why)
        self._site.counters.kcp_refused += 1

    def receive_failed(self, code: int, name: bytes = CONNECTED) -> None:
        """See ``BaseDatagramPort.receive_failed``: that nobody is there KCP finds out by itself."""

    def send_failed(self, sender: object, error: OSError) -> None:
        """See ``DatagramOwner.send_failed``: it will be sent again, if anybody is there."""
        if error.errno == errno.ECONNREFUSED:  # of a datagram before it; see ``receive_failed``
            return
        if times := self._complaints.due():
            text = "a datagram could not be sent from %s: %s (%d times)"
            self._site.logger.warning(text, self.local, error, times)

    def conn_to(self, name: bytes, /) -> NoReturn:
        """See ``DatagramOwner.conn_to``: each datagram has been written by a connection."""
        raise AssertionError("a datagram of nobody's")


def _nothing() -> None:
    """Nobody waits for the last session of a socket that is closed."""
