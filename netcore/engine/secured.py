"""Listeners whose connections begin with a TLS handshake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from netcore._durations import seconds
from netcore.address import Address
from netcore.errors import OptionsError
from netcore.eventloop import Phase
from netcore.options import Options

if TYPE_CHECKING:
    import ssl

__all__ = ["Secured", "check_secured"]

Phases = Callable[[bytes], Sequence[Phase]]
"""See ``Listener.phases``."""


def check_secured(address: Address, options: Options) -> None:
    """Raises OptionsError if an address with TLS has no context that a server can use.

    A context that no address is for is nobody's mistake: it may be there for ``start_tls``.
    """
    if not address.is_tls:
        return
    if options.tls is None:
        raise OptionsError(
            f"option tls is None: {str(address)!r} needs a server's context, such as "
            "netcore.tls.server_context(certificate, key)"
        )
    if not _is_servers(options.tls):
        raise OptionsError(f"option tls is a client's context: {str(address)!r} needs a server's")


def _is_servers(context: ssl.SSLContext) -> bool:
    import ssl  # who has made a context has it

    return context.protocol is not ssl.PROTOCOL_TLS_CLIENT


class Secured:
    """What the listeners of an engine have for TLS. Any thread.

    Args:
        options: The engine's.
    """

    def __init__(self, options: Options) -> None:
        self._context = options.tls
        self._timeout = seconds(options.tls_handshake_timeout, "a timeout")

    def replace(self, context: ssl.SSLContext) -> None:
        """Takes another context for the handshakes that begin from now on.

        Raises:
            TypeError: It is no ``ssl.SSLContext``.
            ValueError: It is a client's.
        """
        import ssl

        if not isinstance(context, ssl.SSLContext):
            raise TypeError(f"replace_tls needs an ssl.SSLContext, not {context!r}")
        if not _is_servers(context):
            raise ValueError("replace_tls needs a server's context, and this is a client's")
        self._context = context

    def phases(self, before: Phases | None) -> Phases:
        """Returns what has to pass before a connection with TLS opens.

        Args:
            before: What comes before the handshake; None for nothing.
        """
        from netcore.eventloop.handshaking import handshake_with_client  # and ssl, for those who use it only

        def phases(name: bytes) -> Sequence[Phase]:
            context = self._context
            assert context is not None  # see check_secured
            handshake = handshake_with_client(context, self._timeout)
            return [*(before(name) if before is not None else ()), handshake]

        return phases
