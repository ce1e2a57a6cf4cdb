"""A session of KCP: the protocol, between a stream connection and the socket that its datagrams share."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import Protocol

from netcore.connection import BaseDatagramOutbox, BaseSession, Event
from netcore.eventloop.pacer import Pacer
from netcore.eventloop.site import Site
from netcore.handler import CloseReason
from netcore.kcp import Kcp, KcpOptions
from netcore.sockets import CONNECTED, Chunk

__all__ = ["KcpSession", "SessionOwner", "random_number"]


class SessionOwner(Protocol):
    """Whose socket it is."""

    fd: int
    pacer: Pacer

    @property
    def outbox(self) -> BaseDatagramOutbox:
        """What leaves through the socket."""

    def refused(self, name: bytes) -> None:
        """A datagram from this packed name was no good to the session that it was for."""

    def has_proven(self, session: KcpSession) -> None:
        """Its peer has shown that it is where its datagrams say."""

    def left(self, session: KcpSession) -> None:
        """The session is over."""


class KcpSession:
    """One conversation with one peer; a ``Session`` and a ``Paced``. The loop's thread.

    Args:
        site: The loop.
        owner: Whose socket it is.
        conversation: The number that both ends agree on.
        key: See the attribute.
        name: The peer's packed name.
        options: Those of KCP.
        unproven: Whether the peer has begun, and may be somebody else than who it says.

    Attributes:
        fd: The socket.
        key: What the owner knows it by.
        name: The peer's packed name.
        conn: The connection, until it is over.
        slot: See ``Paced.slot``.
        heard_at: When its last good datagram came, in seconds of the loop's clock.
    """

    ended = False
    """See ``Filter.ended``: never, for KCP has no end."""
    failure = None
    """See ``Filter.failure``: a peer that is gone is no matter of its bytes."""

    conn: BaseSession

    def __init__(
        self,
        site: Site,
        owner: SessionOwner,
        conversation: int,
        key: bytes,
        name: bytes,
        options: KcpOptions,
        unproven: bool,
    ) -> None:
        self.fd = owner.fd
        self.key = key
        self.name = name
        self.slot: int | None = None
        self.heard_at = site.clock()
        self._site = site
        self._owner = owner
        self._receiver = name
        self._options = options
        self._is_unproven = unproven
        self._kcp: Kcp | None = Kcp(
            conversation, self._send, options, epoch=random_number(), unproven=unproven
        )

    def belong_to(self, conn: BaseSession) -> None:
        """Says whose session it is; once, before anything else."""
        self.conn = conn

    def move(self, owner: SessionOwner, key: bytes) -> None:
        """Goes on through a socket that is connected to its peer; its place in the pacer stays."""
        with self._site.descriptor_lock:  # so that who works on the descriptor has it here until he is done
            self.fd = self.conn.fd = owner.fd
        self.key = key
        self._owner = owner
        self._receiver = CONNECTED

    @property
    def is_over(self) -> bool:
        """Whether its connection is gone."""
        return self._kcp is None

    @property
    def held(self) -> int:
        """See ``Filter.held``: bytes that are not acknowledged; 1 in the end while a receipt is owed."""
        kcp = self._kcp
        return 0 if kcp is None else kcp.held or int(kcp.owing and self._is_waited_for())

    def _is_waited_for(self) -> bool:
        return self.conn.close_reason is not CloseReason.TIMEOUT  # for it has been silent for too long

    # What comes in.

    def take(self, datagram: bytes, now: float) -> bool:
        """See ``Session.take``."""
        kcp = self._kcp
        if kcp is None:
            return False
        try:
            kcp.input(datagram, now)
        except ValueError:
            self._owner.refused(self.name)
            return False
        self.heard_at = now
        if self._is_unproven and kcp.proven:
            self._is_unproven = False
            self._owner.has_proven(self)
        if kcp.dead:
            error = ConnectionAbortedError(errno.ECONNABORTED, "the peer has begun a message without an end")
            self.conn.reset(CloseReason.ERROR, error)
        return True

    def feed(self, data: memoryview) -> bytes:
        """See ``Filter.feed``; what ``drain`` has returned is plain."""
        return bytes(data)

    def drain(self) -> bytes:
        """See ``Session.drain``."""
        return b"" if self._kcp is None else self._kcp.drain()

    # What goes out.

    def wrap(self, chunks: Sequence[Chunk]) -> None:
        """See ``Filter.wrap``."""
        kcp = self._kcp
        if kcp is None:
            return
        size = 0
        for chunk in chunks:
            size += len(chunk)
            self._say(kcp, chunk)
        deadlines = self.conn.deadlines
        if deadlines is not None:
            deadlines.queued(size)
            if deadlines.times_output:
                self._site.settle_later(self.conn)

    def _say(self, kcp: Kcp, chunk: Chunk) -> None:
        try:
            kcp.send(chunk)
        except ValueError:  # too long for one message, where each is one: the peer's window takes these
            size = self._options.segment_size
            for at in range(0, len(chunk), size):
                kcp.send(chunk[at : at + size])

    def finish(self) -> None:
        """See ``Filter.finish``: the end itself is not said, and what has come is acknowledged before it."""
        if self._kcp is not None:
            self._kcp.finish()

    def output(self) -> bytes:
        """See ``Filter.output``; all that is due leaves as datagrams, and nothing like others' output."""
        kcp = self._kcp
        if kcp is not None:
            was_owing = kcp.owing
            kcp.flush(self._site.clock())
            self._owner.pacer.plan(self)
            if was_owing and not kcp.owing:
                self._site.settle_later(self.conn)
            self._end_if_dead(kcp)
        return b""

    def _send(self, datagram: bytes) -> None:
        self.conn.bytes_sent += len(datagram)
        self._owner.outbox.add(datagram, self._receiver, self.conn)

    def end_of_stream(self) -> None:
        """See ``Filter.end_of_stream``: datagrams have no end."""

    # What the clock brings about.

    def next_due(self) -> float | None:
        """See ``Paced.next_due``."""
        kcp = self._kcp
        return None if kcp is None else kcp.next_due(self._site.clock())

    def pace(self) -> None:
        """See ``Paced.pace``."""
        kcp = self._kcp
        if kcp is None:
            return
        kcp.update(self._site.clock())
        self._end_if_dead(kcp)

    def _end_if_dead(self, kcp: Kcp) -> None:
        if kcp.dead:  # and so due no more: it is looked at wherever something is sent
            self.conn.reset(CloseReason.ERROR, TimeoutError(errno.ETIMEDOUT, "the peer does not answer"))

    def give_up(self, seconds: float) -> None:
        """Ends it, since the peer has been silent for so long without having proven its address."""
        text = f"the peer has not answered in {seconds:g} seconds"
        error = TimeoutError(errno.ETIMEDOUT, text)
        self.conn.end(Event.ABORT, CloseReason.TIMEOUT, error)

    def fault(self, error: Exception) -> None:
        """See ``Payer.fault``."""
        if self._kcp is not None:
            self.conn.fault(error)

    def over(self) -> None:
        """See ``Session.over``."""
        if self._kcp is not None:
            self._kcp = None  # which leads back to here
            self._owner.pacer.unplan(self)
            self._owner.left(self)
            del self.conn  # whose session it is: nothing of them is left to the garbage collector


def random_number() -> int:
    """Returns 32 bits that nobody can guess; without ``secrets``, which takes three megabytes of OpenSSL."""
    return int.from_bytes(os.urandom(4), "little")
