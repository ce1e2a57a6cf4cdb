"""What can go wrong with TLS: one family for what happens between two peers, one class for files."""

from __future__ import annotations

import ssl

from netcore.errors import NetcoreError

__all__ = [
    "TlsCertificateError",
    "TlsError",
    "TlsFileError",
    "TlsHandshakeError",
    "TlsTruncatedError",
    "overdue",
]


class TlsError(NetcoreError, ConnectionError):
    """A TLS connection cannot go on; the text says what was wrong and on whose side.

    Where OpenSSL found it, ``__cause__`` is the ``ssl.SSLError``.
    """


class TlsHandshakeError(TlsError):
    """The two sides have not come to terms, or one of them left or took too long before they had."""


def overdue(seconds: float) -> TlsHandshakeError:
    """Makes the error of a handshake that has had so much time."""
    return TlsHandshakeError(f"the TLS handshake took longer than {seconds:g} s")


class TlsCertificateError(TlsHandshakeError, ssl.SSLCertVerificationError):
    """The peer's certificate was refused on this side: unknown issuer, expired, for another host, ...

    Attributes:
        verify_code: OpenSSL's number for what was wrong; see x509_vfy.h.
        verify_message: The same in words.
    """

    verify_code: int
    verify_message: str


class TlsTruncatedError(TlsError):
    """The peer's stream ended without its close_notify: the last bytes may be missing (RFC 8446, 6.1)."""


class TlsFileError(NetcoreError, ValueError):
    """A file does not hold the certificate or key that it should, or its password is wrong."""
