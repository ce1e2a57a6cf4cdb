"""A TLS handshake as a phase of a connection."""

from __future__ import annotations

import functools
import ssl
import threading

from netcore.connection import BaseCounters, BaseStream
from netcore.tls import Bios, TlsFilter, TlsHandshakeError, TlsPhase

__all__ = ["ClientHandshake", "ServerHandshake", "client_context"]


class _Thread(threading.local):
    """What belongs to one thread."""

    def __init__(self) -> None:
        self.bios = Bios()


_THIS = _Thread()


def client_context(own: ssl.SSLContext | None) -> ssl.SSLContext:
    """Returns a context to dial with: one's own if it is a client's, else one that trusts as the system does.

    Any thread; the first call reads the system's certificates.
    """
    if own is not None and own.protocol is not ssl.PROTOCOL_TLS_SERVER:
        return own
    return _system_context()


@functools.cache
def _system_context() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Handshake(TlsPhase):
    """A ``Phase``, made on the thread of its loop.

    Args:
        filter_: What the connection will have.
        timeout: Seconds for the handshake.
    """

    def prepare(self, conn: BaseStream) -> None:  # type: ignore[override]
        """See ``Phase.prepare``."""
        super().prepare(conn)
        conn.network = "tls"

    def passed(self, counters: BaseCounters) -> None:
        """See ``Phase``."""
        counters.tls_handshakes += 1

    def failed(self, counters: BaseCounters) -> None:
        """See ``Phase``."""
        if self.begun:
            counters.tls_handshake_failures += 1

    def overdue(self) -> Exception:
        """See ``Phase``."""
        return TlsHandshakeError(f"the TLS handshake took longer than {self.timeout:g} s")


class ServerHandshake(_Handshake):
    """The server's side.

    Args:
        context: A server's.
        timeout: Seconds for the handshake.
    """

    def __init__(self, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(TlsFilter(context, server_side=True, bios=_THIS.bios), timeout)


class ClientHandshake(_Handshake):
    """The client's side.

    Args:
        context: A client's.
        name: The host that was dialled.
        timeout: Seconds for the handshake.
    """

    def __init__(self, context: ssl.SSLContext, name: str, timeout: float) -> None:
        filter_ = TlsFilter(context, server_side=False, server_hostname=name, bios=_THIS.bios)
        super().__init__(filter_, timeout)
