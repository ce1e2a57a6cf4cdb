"""The connections that a loop hosts."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

from netcore.address import Address
from netcore.connection import (
    UNWATCHED,
    BaseSession,
    BaseStream,
    CheckedDatagramConnection,
    Connection,
    DatagramConnection,
    Retired,
    run,
)
from netcore.eventloop.datagram_reader import DatagramReader, taking
from netcore.eventloop.site import Site
from netcore.handler import CloseReason, Conn
from netcore.poll import Interest

__all__ = ["Connections", "Doorkeeper", "Streams"]


class Streams(Protocol):
    """A loop's streams by descriptor: the part of a dict that it needs."""

    def __len__(self) -> int: ...
    def __getitem__(self, fd: int, /) -> BaseStream: ...
    def __setitem__(self, fd: int, conn: BaseStream, /) -> None: ...

    def get(self, fd: int, /) -> BaseStream | None:
        """See ``dict.get``."""

    def pop(self, fd: int, otherwise: None, /) -> BaseStream | None:
        """See ``dict.pop``."""

    def values(self) -> Iterable[BaseStream]:
        """See ``dict.values``."""

    def clear(self) -> None:
        """See ``dict.clear``."""


class Doorkeeper(Protocol):
    """Who watches a listener."""

    def troubled(self, count: int, error: int, errors: Sequence[BaseException] | None) -> None:
        """So many were accepted without a call of its; see ``Connections.take_in`` for the rest."""


class Connections:
    """Those that are open, from before their ``on_open`` until they are retired. On the loop's thread.

    Args:
        site: The loop.
        streams: Where the streams are kept, by their descriptor; empty.
        stream_class: What they are.

    Attributes:
        streams: The streams by their descriptor.
        arriving: Descriptors that other threads have accepted for this loop. Any thread may add one.
        expected: Connections that are about to come from another loop, by their ``id``. Likewise.
        stream_class: What streams are.
        cut_off: What ends one that comes when the others have been told already; None until then.
        by_id: All of them by their ``id``.
        turning_away: Whether newcomers are refused.
        abandoned: Whether this is a forked child, in which no peer is to be told anything.
        first_interest: What the poller watches a newcomer for.
    """

    def __init__(self, site: Site, streams: Streams, stream_class: Callable[..., BaseStream]) -> None:
        self._site = site
        self.first_interest = int(Interest.READ) | (int(Interest.EDGE) if site.limits.edge_chunk else 0)
        debug = site.shared.debug
        self.stream_class = stream_class
        self._datagram_class = CheckedDatagramConnection if debug else DatagramConnection
        self.streams = streams
        self._dialled: dict[int, DatagramConnection] = {}
        self._sessions: dict[int, BaseSession] = {}
        self.by_id: dict[int, Connection] = {}
        self.arriving: dict[int, None] = {}
        self.expected: dict[int, BaseStream] = {}
        self.cut_off: Callable[[BaseStream], object] | None = None
        self.turning_away = self.abandoned = False

    @property
    def count(self) -> int:
        """How many there are, without those arriving; a server's datagrams do not count. Any thread."""
        return (
            len(self.expected) + len(self.streams) + len(self._dialled) + len(self._sessions)
        )  # in the order in which one moves on

    @property
    def outbound_buffered(self) -> int:
        """Bytes promised, or not taken by the kernel when they were offered, and datagrams. Any thread."""
        streams = sum(conn.backlogged + conn.pledged for conn in list(self.streams.values()))
        streams += sum(conn.backlogged + conn.pledged for conn in list(self._sessions.values()))
        return streams + sum(conn.outbox.buffered + conn.pledged for conn in list(self._dialled.values()))

    def find(self, conn_id: int) -> Conn | None:
        """Returns the open connection with this id. Any thread."""
        return self.expected.get(conn_id) or self.by_id.get(conn_id)

    def all(self) -> list[Conn]:
        """Returns those that are open. Any thread."""
        expected = list(self.expected.values())
        here: list[Conn] = list(self.by_id.values())
        return here + [conn for conn in expected if conn not in here] if expected else here

    def let_go(self, conn: BaseStream) -> None:
        """Forgets one that goes to another loop."""
        self.streams.pop(conn.fd, None)
        self.by_id.pop(conn.id, None)

    def adopt(self, conn: BaseStream) -> None:
        """Takes one over from another loop; or back, if it has not gone after all."""
        self.streams[conn.fd] = conn
        self.by_id[conn.id] = conn
        self.expected.pop(conn.id, None)  # last, so that nobody sees it neither here nor there
        if self.cut_off is not None:
            self.cut_off(conn)

    def establish(
        self,
        fd: int,
        network: str,
        remote: bytes | Address,
        local: Address | None,
        context: object = None,
        interest: int = UNWATCHED,
        prepare: Callable[[BaseStream], object] | None = None,
        turn_down: Callable[[list[int]], object] | None = None,
    ) -> BaseStream:
        """Makes a stream connection of an attached descriptor, and opens it.

        Args:
            fd: It is closed if this fails.
            network: "tcp" or "unix".
            remote: The peer's address, or its packed name.
            local: This side's address; None to ask the system when it is wanted.
            context: What ``conn.context`` is from the start.
            interest: What the poller watches it for already.
            prepare: Called with the connection before its ``on_open``. What it leaves there to be read is
                shown right after.
            turn_down: What closes the descriptor if this fails; None for a reset.

        Raises:
            OSError: The poller refuses it, or the loop takes no more connections.
            Exception: Another one of the poller's, or that of ``prepare``.
        """
        site = self._site
        conn: BaseStream | None = None
        try:
            if self.turning_away:
                raise OSError(errno.ECONNABORTED, "the loop is stopping")
            if interest == UNWATCHED:
                site.poller.register(fd, self.first_interest)
            elif interest != self.first_interest:
                site.poller.modify(fd, self.first_interest)
            interest = self.first_interest
            conn = self.stream_class(site, fd, network, remote, local)
            conn.context = context
            conn.interest = interest
            self.streams[fd] = conn
            self.arriving.pop(fd, None)  # second, so that nobody sees the connection neither here nor there
            self.by_id[conn.id] = conn
            if prepare is not None:
                prepare(conn)
            if site.limits.idle_timeout:
                conn.set_deadline(site.limits.idle_timeout)
        except BaseException:
            if conn is not None:
                self._disown(conn)
            self.turn_down(fd, interest, turn_down)
            raise
        run(site, conn, site.handler.on_open)
        if prepare is not None and conn.inbound_buffered and conn.receiving:
            run(site, conn, site.handler.on_traffic)
        return conn

    def open_door(self, listener: int, network: str, local: Address | None, acceptor: Doorkeeper) -> None:
        """Says that what a listener has may be taken in without a call of who watches it.

        He is told if there is an error; nothing comes of it where that saves nothing.

        Args:
            listener: Its descriptor.
            network: See ``welcome``.
            local: See ``welcome``.
            acceptor: Who watches it.
        """

    def close_door(self, listener: int) -> None:
        """Ends what ``open_door`` began."""

    def take_in(
        self, listener: int, limit: int, network: str, local: Address | None
    ) -> tuple[int, int, Sequence[BaseException]]:
        """Accepts from a listener, and welcomes those who come.

        Args:
            listener: Its descriptor.
            limit: How many to accept at most.
            network: See ``welcome``.
            local: See ``welcome``.

        Returns:
            How many were accepted, the second result of ``Sockets.accept``, and that of ``welcome``.
        """
        accepted, error = self._site.sockets.accept(listener, limit)
        return len(accepted), error, self.welcome(accepted, network, local)

    def welcome(
        self, accepted: list[tuple[int, bytes]], network: str, local: Address | None
    ) -> Sequence[BaseException]:
        """Makes stream connections of what was accepted, and opens them; see ``establish``.

        Args:
            accepted: The descriptors, whose places are taken, with the packed names of their peers. Those
                that fail are closed.
            network: "tcp" or "unix".
            local: This side's address; None to ask the system when it is wanted.

        Returns:
            The errors.
        """
        return self.admit(accepted, lambda fd, name: self.establish(fd, network, name, local))

    def welcome_one(self, fd: int, remote: bytes, network: str, local: Address | None) -> None:
        """See ``welcome``; raises the error."""
        self._admit_one(fd, lambda: self.establish(fd, network, remote, local))

    def admit(
        self, accepted: list[tuple[int, bytes]], begin: Callable[[int, bytes], object]
    ) -> Sequence[BaseException]:
        """Takes what was accepted over from the sockets, counts it, and begins something with it.

        Args:
            accepted: See ``welcome``.
            begin: Called with each; closes the descriptor if it fails.

        Returns:
            The errors: each is its own connection's, whatever it is.
        """
        errors = []
        for fd, name in accepted:
            try:
                self._admit_one(fd, partial(begin, fd, name))
            except BaseException as error:
                errors.append(error)
        return errors

    def _admit_one(self, fd: int, begin: Callable[[], object]) -> None:
        self._site.counters.accepted += 1
        try:
            try:
                self._site.descriptors.admit(fd)
            except BaseException:  # it is closed: nobody counts it any more
                self.arriving.pop(fd, None)
                raise
            begin()
        except BaseException:  # raised again
            self._site.counters.accepted -= 1
            raise

    def _disown(self, conn: BaseStream) -> None:
        """Forgets one that has not been opened: nobody has heard of it, so nobody is told."""
        self.streams.pop(conn.fd, None)
        self.by_id.pop(conn.id, None)
        conn.wire = -1
        conn.abandon()
        conn.forget_input()

    def turn_down(self, fd: int, interest: int, close: Callable[[list[int]], object] | None) -> None:
        """Closes what has not become a connection."""
        self.arriving.pop(fd, None)  # first, since the number may be another's after the reset
        if interest != UNWATCHED:
            try:
                self._site.poller.unregister(fd)
            except BaseException as error:
                self._site.charge(None, error)
        if self.abandoned:  # by a callback of a neighbour's, in which a fork was made: it is the parent's
            self._site.sockets.release([fd])
        elif close is None:
            self._site.descriptors.reset(fd)
        else:
            close([fd])

    def establish_datagrams(
        self, fd: int, family: int, remote: Address, local: Address | None, context: object
    ) -> DatagramConnection:
        """Makes a connection of an attached, connected datagram socket, and opens it.

        Raises:
            OSError: The poller refuses it, or the loop takes no more connections; the socket is closed then.
            Exception: Another one of the poller's, likewise.
        """
        site = self._site
        conn: DatagramConnection | None = None
        try:
            if self.turning_away:
                raise OSError(errno.ECONNABORTED, "the loop is stopping")
            conn = self._datagram_class(site, fd, family, remote, local)
            site.watchers.attend(fd, DatagramReader(site, conn, taking(site, conn)), self.first_interest)
            conn.context = context
            conn.interest = self.first_interest
            self._dialled[fd] = conn
            self.by_id[conn.id] = conn
            if site.limits.idle_timeout:
                conn.set_deadline(site.limits.idle_timeout)
        except BaseException:
            if conn is not None:
                self._dialled.pop(fd, None)
                self.by_id.pop(conn.id, None)
                conn.abandon()
            site.watchers.neglect(fd)
            site.descriptors.release([fd])
            raise
        run(site, conn, site.handler.on_open)
        return conn

    def establish_session(self, conn: BaseSession, idle_timeout: float) -> None:
        """Opens the connection of a session, that counts from here on.

        Args:
            conn: It, made and not known to anybody yet.
            idle_timeout: Seconds; 0 for none.
        """
        self._sessions[conn.id] = conn
        self.by_id[conn.id] = conn
        if idle_timeout:
            conn.set_deadline(idle_timeout)
        run(self._site, conn, self._site.handler.on_open)
        if self.cut_off is not None:
            self.cut_off(conn)

    def remove(self, conn: Retired) -> None:
        """Lets go of a connection that is retired, while its descriptor is still open."""
        if conn.shares_descriptor:
            self._sessions.pop(conn.id, None)
        elif self.streams.pop(conn.fd, None) is None and self._dialled.pop(conn.fd, None) is not None:
            self._site.watchers.release(conn.fd)
        self.by_id.pop(conn.id, None)
        self.expected.pop(conn.id, None)

    def turn_away(self) -> None:
        """Begins to close every connection, and refuses new ones."""
        self.turning_away = True
        self.cut_off = _shut_down
        for conn in list(self.by_id.values()):
            try:
                conn.shut_down()
            except BaseException as error:
                self._site.charge(conn, error)

    def reset_all(self, error: Exception | None) -> None:
        """Resets every connection, and refuses new ones; ``on_close`` is told the error."""
        self.turning_away = True
        self.cut_off = partial(_reset, error=error)
        for conn in list(self.by_id.values()):
            try:
                conn.reset(CloseReason.SHUTDOWN, error)
            except BaseException as raised:
                self._site.charge(conn, raised)

    def abandon(self) -> list[int]:
        """Lets go of all connections, in a forked child; returns their descriptors, which are left to close.

        Nothing of them goes on, not even in a callback in which the fork was made: they are closed here
        without a word to the kernel or the handler, since they go on in the parent.
        """
        self.turning_away = self.abandoned = True
        fds = [conn.fd for conn in self.by_id.values() if not conn.shares_descriptor]
        for coming in self.expected.values():
            with suppress(KeyError):  # it is attached to the sockets of its former loop still
                self._site.sockets.release([coming.fd])
            coming.abandon()
        self.expected.clear()
        for fd in [
            fd for fd in self.arriving if self.streams.get(fd) is None
        ]:  # nobody has attached them yet
            with suppress(OSError):
                socket.close(fd)
        for conn in self.by_id.values():
            conn.abandon()
        self.streams.clear()
        self._dialled.clear()
        self._sessions.clear()
        self.by_id.clear()
        self.arriving.clear()
        return fds


def _shut_down(conn: BaseStream) -> None:
    conn.shut_down()


def _reset(conn: BaseStream, error: Exception | None) -> None:
    conn.reset(CloseReason.SHUTDOWN, error)
