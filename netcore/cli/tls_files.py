"""The files that ``--tls-certificate`` and its like name, and the context that is made of them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from netcore._tls_files import TlsFiles
from netcore.address import Address
from netcore.cli.usage import UsageError

if TYPE_CHECKING:
    import ssl

__all__ = ["check_tls", "load_tls", "tls_files"]

_NEEDED = (
    ("tls_key", "tls_certificate"),
    ("tls_alpn", "tls_certificate"),
    ("tls_client_ca", "tls_certificate"),
    ("tls_client_optional", "tls_client_ca"),
)


def check_tls(arguments: argparse.Namespace, addresses: Iterable[Address]) -> None:
    """Checks that what is said of TLS belongs together.

    A certificate that no address is for is a mistake, too: who gives one must not find out later that he has
    been served without TLS.

    Raises:
        UsageError: It does not.
    """
    for name, needed in _NEEDED:
        if getattr(arguments, name) and not getattr(arguments, needed):
            raise UsageError(f"argument {_option(name)}: it needs {_option(needed)}")
    secured = [address for address in addresses if address.is_tls]
    if secured and not arguments.tls_certificate:
        raise UsageError(f"address {str(secured[0])!r}: it needs --tls-certificate")
    if arguments.tls_certificate and not secured:
        raise UsageError("argument --tls-certificate: no ADDRESS has TLS, such as tls://:443")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def tls_files(arguments: argparse.Namespace) -> TlsFiles:
    """Returns the files that the arguments name."""
    return TlsFiles(
        certificate=arguments.tls_certificate,
        key=arguments.tls_key,
        client_ca=arguments.tls_client_ca,
        client_optional=arguments.tls_client_optional,
        alpn=arguments.tls_alpn,
    )


def load_tls(arguments: argparse.Namespace) -> ssl.SSLContext:
    """Makes a server's context of the files, as they are now; a certificate is named.

    Raises:
        UsageError: They are of no use.
    """
    try:
        return tls_files(arguments).load()
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from None
    except ValueError as error:
        raise UsageError(str(error)) from None
