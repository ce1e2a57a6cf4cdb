"""A TLS handshake as a phase of a connection."""

from __future__ import annotations

import functools
import ssl

from netcore.connection import BaseCounters, BaseStream
from netcore.errors import OptionsError
from netcore.eventloop.phases import Phase
from netcore.tls import TlsFilter, bios_of_this_thread
from netcore.tls.errors import overdue

__all__ = ["Handshake", "client_context", "handshake_with_client", "handshake_with_server", "is_session"]


class Handshake(Phase):
    """Brings a filter's handshake to its end, and hands the filter to the connection.

    The alert that tells the peer what is wrong is in ``output`` after an error.

    Args:
        filter_: What the connection will have.
        timeout: Seconds for the handshake.

    Raises:
        TlsHandshakeError: It cannot even begin: a client has nothing to offer.

    Attributes:
        filter: The same.
        begun: Whether the peer has said anything at all: who connects and leaves, as health checks do, has
            neither had a handshake nor failed in one.
    """

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

    def prepare(self, conn: BaseStream) -> None:
        """See ``Phase.prepare``."""
        conn.put_on(self.filter)
        if self._early:
            conn.store(self._early)
            self._early = b""
        conn.network = "tls"

    def passed(self, counters: BaseCounters) -> None:
        """See ``Phase.passed``."""
        counters.tls_handshakes += 1

    def failed(self, counters: BaseCounters) -> None:
        """See ``Phase.failed``."""
        if self.begun:
            counters.tls_handshake_failures += 1

    def overdue(self) -> Exception:
        """See ``Phase.overdue``."""
        return overdue(self.timeout)

    def left(self) -> Exception:
        """See ``Phase.left``."""
        return self.filter.end_of_stream() or super().left()


def handshake_with_client(context: ssl.SSLContext, timeout: float) -> Handshake:
    """Makes a server's handshake, on the thread of its loop.

    Args:
        context: A server's.
        timeout: Seconds for it.
    """
    return Handshake(TlsFilter(context, server_side=True, bios=bios_of_this_thread()), timeout)


def handshake_with_server(
    context: ssl.SSLContext, name: str | None, timeout: float, session: ssl.SSLSession | None = None
) -> Handshake:
    """Makes a client's handshake, on the thread of its loop.

    Args:
        context: A client's.
        name: The server's, to ask for and to check; None for none.
        timeout: Seconds for it.
        session: To be resumed; None for none.

    Raises:
        ValueError: It is no name, or the context wants one, or the session is of another one.
        TlsHandshakeError: See ``Handshake``.
    """
    filter_ = TlsFilter(
        context, server_side=False, server_hostname=name, session=session, bios=bios_of_this_thread()
    )
    return Handshake(filter_, timeout)


def is_session(thing: object) -> bool:
    """Whether it is what ``tls_session`` of a connection has been."""
    return isinstance(thing, ssl.SSLSession)


def client_context(given: ssl.SSLContext | None, own: ssl.SSLContext | None) -> ssl.SSLContext:
    """Returns a context to dial with. Any thread; it may read the system's certificates.

    Args:
        given: The dial's; None for none.
        own: The engine's, which is taken instead if it is a client's. Without either it is one that trusts
            as the system does.

    Raises:
        TypeError: What is given is no context.
        OptionsError: It is a server's.
    """
    if given is not None:
        if not isinstance(given, ssl.SSLContext):
            raise TypeError(f"tls is an ssl.SSLContext, and not {given!r}")
        if given.protocol is ssl.PROTOCOL_TLS_SERVER:
            raise OptionsError("tls is a server's context: a dial needs a client's")
        return given
    if own is not None and own.protocol is not ssl.PROTOCOL_TLS_SERVER:
        return own
    return _system_context()


@functools.cache
def _system_context() -> ssl.SSLContext:
    return ssl.create_default_context()
