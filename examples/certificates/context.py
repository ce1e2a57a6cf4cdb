"""The context of an example: of the certificate that is named, or of one for the run."""

from __future__ import annotations

import argparse
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import netcore
from examples.certificates.self_signed import self_signed
from netcore.tls import server_context

__all__ = ["Certified", "add_arguments", "certified"]


@dataclass(frozen=True, slots=True)
class Certified:
    """What a server has for TLS.

    Attributes:
        context: The context.
        made: The certificate that was made for this run, for which clients have to be told; None if it is
            one that they know.
    """

    context: ssl.SSLContext
    made: Path | None

    def hint(self, address: netcore.Address, *options: str) -> str:
        """Tells how to talk to the server by the program openssl; nothing if its certificate is known."""
        if self.made is None:
            return ""
        host = f"[{address.host}]" if ":" in address.host else address.host or "localhost"
        command = ["openssl s_client -quiet", *options, f"-connect {host}:{address.port} -CAfile {self.made}"]
        return f"talk to it: {' '.join(command)}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `certified` reads."""
    parser.add_argument("--tls-certificate", metavar="FILE", help="PEM (default: one is made for this run)")
    parser.add_argument("--tls-key", metavar="FILE", help="PEM (default: it is in the same file)")


@contextmanager
def certified(arguments: argparse.Namespace) -> Iterator[Certified]:
    """Makes a context, and during the block a certificate for it unless one is named.

    Raises:
        netcore.NetcoreError, OSError: A file is missing or of no use, or there is no program to make one.
    """
    if arguments.tls_certificate:
        yield Certified(server_context(arguments.tls_certificate, arguments.tls_key), None)
        return
    if arguments.tls_key:
        raise netcore.OptionsError("--tls-key needs --tls-certificate")
    with tempfile.TemporaryDirectory() as folder:
        made = self_signed(Path(folder))
        yield Certified(server_context(made), made)
