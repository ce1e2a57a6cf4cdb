"""TLS without I/O: contexts, and what stands between a socket's bytes and a stream's.

It stands on the standard library's ``ssl``; ``docs/design/tls.md`` says what that allows and costs.
"""

from netcore.tls.bios import Bios, bios_of_this_thread
from netcore.tls.certificates import load_certificate
from netcore.tls.contexts import client_context, server_context
from netcore.tls.errors import (
    TlsCertificateError,
    TlsError,
    TlsFileError,
    TlsHandshakeError,
    TlsTruncatedError,
)
from netcore.tls.filter import TlsFilter
from netcore.tls.info import TlsInfo

__all__ = [
    "Bios",
    "TlsCertificateError",
    "TlsError",
    "TlsFileError",
    "TlsFilter",
    "TlsHandshakeError",
    "TlsInfo",
    "TlsTruncatedError",
    "bios_of_this_thread",
    "client_context",
    "load_certificate",
    "server_context",
]
