"""Certificates as files: what can be named on a command line, and given to another process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

__all__ = ["TlsFiles"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """The files from which a server's context is made.

    Attributes:
        certificate: The certificate, and those of the authorities above it; PEM.
        key: Its private key, PEM; None if it is in the same file.
        client_ca: The authorities of which clients have a certificate, PEM or a folder; None for none.
        client_optional: Whether clients may have none all the same.
        alpn: Application protocols, the most wanted first.
    """

    certificate: str
    key: str | None = None
    client_ca: str | None = None
    client_optional: bool = False
    alpn: tuple[str, ...] = ()

    def load(self) -> ssl.SSLContext:
        """Makes a context of the files as they are now.

        Raises:
            OSError: One cannot be read.
            ValueError: One is of no use.
        """
        from netcore.tls import server_context  # and with it ssl, for those who use it only

        return server_context(
            self.certificate,
            self.key,
            client_ca=self.client_ca,
            require_client_certificate=bool(self.client_ca) and not self.client_optional,
            alpn=self.alpn,
        )
