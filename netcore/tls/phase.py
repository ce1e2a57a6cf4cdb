"""A TLS handshake before a connection opens."""

from __future__ import annotations

from typing import Protocol

from netcore.tls.filter import TlsFilter

__all__ = ["FilteredStream", "TlsPhase"]


class FilteredStream(Protocol):
    """What becomes of the connection behind a handshake."""

    def put_on(self, filter_: TlsFilter, /) -> None:
        """Puts the filter on, for all that comes and is written from now on."""

    def store(self, data: bytes, /) -> None:
        """Takes plain bytes that have come already."""


class TlsPhase:
    """Brings a filter's handshake to its end, and hands the filter to the connection.

    It is a ``netcore.eventloop.Phase``: ``feed`` raises what is wrong, and the alert that says so to the peer
    is in ``output`` then.

    Args:
        filter_: What the connection will have.
        timeout: Seconds for the handshake.

    Raises:
        TlsHandshakeError: It cannot even begin: a client has nothing to offer.

    Attributes:
        timeout: The same.
        done: Whether the handshake is done.
        begun: Whether the peer has said anything at all: who connects and leaves, as health checks do, has
            neither had a handshake nor failed in one.
    """

    __slots__ = ("_early", "begun", "done", "filter", "timeout")

    def __init__(self, filter_: TlsFilter, timeout: float) -> None:
        if filter_.failure is not None:
            raise filter_.failure
        self.filter = filter_
        self.timeout = timeout
        self.done = False
        self.begun = False
        self._early = b""

    def feed(self, data: bytes) -> bytes:
        """Takes raw bytes; all of them, since what comes behind the handshake is for the same filter.

        Raises:
            TlsHandshakeError: There will be no agreement.
        """
        self.begun = self.begun or bool(data)
        with memoryview(data) as view:
            self._early += self.filter.feed(view)
        self.done = self.filter.done
        if not self.done and self.filter.failure is not None:
            raise self.filter.failure
        return b""  # what is wrong behind the handshake is the connection's

    def output(self) -> bytes:
        """See ``Phase.output``."""
        return self.filter.output()

    def prepare(self, conn: FilteredStream) -> None:
        """See ``Phase.prepare``."""
        conn.put_on(self.filter)
        if self._early:
            conn.store(self._early)
            self._early = b""
