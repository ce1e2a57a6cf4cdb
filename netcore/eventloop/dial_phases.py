"""What has to pass before a dialled connection opens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from netcore._arguments import check_text
from netcore.address import Address
from netcore.errors import UnsupportedOperationError
from netcore.eventloop.phases import Phase
from netcore.eventloop.proxying import TellHeader
from netcore.eventloop.shared import Shared
from netcore.proxy import ProxyHeader

if TYPE_CHECKING:
    import ssl

__all__ = ["phases_of_dial"]


def phases_of_dial(
    address: Address,
    shared: Shared,
    tls: ssl.SSLContext | None,
    server_hostname: str | None,
    session: ssl.SSLSession | None,
    proxy: ProxyHeader | None,
) -> Callable[[], Sequence[Phase]] | None:
    """Returns what makes them, on the loop's thread; None if there are none. Any thread.

    Args:
        address: Where to.
        shared: Has the engine's context, and how long a handshake may take.
        tls: See ``EventLoop.dial``, as for the rest.
        server_hostname: See there.
        session: See there: ``tls_session``.
        proxy: See there.

    Raises:
        ProxyError: The header cannot be said.
        OptionsError: The context is a server's.
        TypeError: It is no context, the name no text, or the session none.
        UnsupportedOperationError: It is a datagram that a header would be said in, or there is something for
            TLS and the address is without.
    """
    if proxy is not None and address.is_udp:
        raise UnsupportedOperationError(
            f"a PROXY header goes ahead of a stream's bytes, and {str(address)!r} goes by datagrams"
        )
    before = () if proxy is None else (TellHeader(proxy),)
    if address.is_tls:
        return _with_handshake(address, shared, tls, server_hostname, session, before)
    for name, value in (("tls", tls), ("server_hostname", server_hostname), ("tls_session", session)):
        if value is not None:
            later = "" if address.network == "udp" else ", which start_tls begins once it is open"
            raise UnsupportedOperationError(
                f"{name} is for tls:// addresses, and {str(address)!r} is dialled without TLS{later}"
            )
    return (lambda: before) if before else None


def _with_handshake(
    address: Address,
    shared: Shared,
    tls: ssl.SSLContext | None,
    server_hostname: str | None,
    session: ssl.SSLSession | None,
    before: Sequence[Phase],
) -> Callable[[], Sequence[Phase]]:
    from netcore.eventloop.handshaking import (  # and ssl: not for all
        client_context,
        handshake_with_server,
        is_session,
    )

    check_text(server_hostname, "server_hostname")
    if session is not None and not is_session(session):
        raise TypeError(f"tls_session is an ssl.SSLSession, and not {session!r}")
    context = client_context(tls, shared.tls)
    name = _name_of(address) if server_hostname is None else server_hostname
    timeout = shared.limits.tls_handshake_timeout
    return lambda: (*before, handshake_with_server(context, name, timeout, session))


def _name_of(address: Address) -> str:
    """Returns the name that the certificate of who is there should have."""
    host = address.host.partition("%")[0]  # without the zone of a link-local address (RFC 4007)
    return host or "localhost"  # which is what an empty one connects to
