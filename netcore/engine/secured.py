"""Listeners whose connections begin with a TLS handshake."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netcore._durations import seconds
from netcore.address import Address
from netcore.errors import OptionsError
from netcore.eventloop import Phase
from netcore.options import Options

__all__ = ["check_secured", "phases_with_tls"]

Phases = Callable[[bytes], Sequence[Phase]]
"""See ``Listener.phases``."""


def check_secured(address: Address, options: Options) -> None:
    """Raises OptionsError if an address with TLS has no context that a server can use."""
    if not address.is_tls:
        return
    if options.tls is None:
        raise OptionsError(f"option tls is None: {str(address)!r} needs a server's context")
    import ssl  # who has made a context has it

    if options.tls.protocol is ssl.PROTOCOL_TLS_CLIENT:
        raise OptionsError(f"option tls is a client's context: {str(address)!r} needs a server's")


def phases_with_tls(options: Options, before: Phases | None) -> Phases:
    """Returns what has to pass before a connection with TLS opens.

    Args:
        options: The engine's.
        before: What comes before the handshake; None for nothing.
    """
    from netcore.eventloop.handshaking import ServerHandshake  # and with it ssl, for those who use it only

    context = options.tls
    assert context is not None
    timeout = seconds(options.tls_handshake_timeout, "a timeout")

    def phases(name: bytes) -> Sequence[Phase]:
        return [*(before(name) if before is not None else ()), ServerHandshake(context, timeout)]

    return phases
