"""An echo server with TLS, which says what was agreed on and then sends back whatever it receives.

python examples/tls_echo.py
python examples/tls_echo.py tls://:8443 --tls-certificate cert.pem --tls-key key.pem
netcore run examples.tls_echo:TlsEcho tls://:8443 --tls-certificate cert.pem --tls-key key.pem
openssl s_client -quiet -connect 127.0.0.1:8443 -CAfile cert.pem

Without a certificate it makes one for this run, by the program openssl, and says how to talk to it.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import netcore
from netcore.tls import server_context

if not __package__:
    # Run as a script: Python has put this directory on the path, where the one above has to be.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.certificates import self_signed


class TlsEcho(netcore.EventHandler):
    """Knows nothing of TLS but what `conn.tls` says; all else is as without.

    Args:
        made: The certificate that was made for this run, for which clients have to be told; None if it is one
            that they know.
    """

    def __init__(self, made: Path | None = None) -> None:
        self._made = made

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where, since with port 0 the system has chosen."""
        print("tls echo on", *engine.addresses, flush=True)
        if self._made is not None:
            host, port = engine.addresses[0].host or "localhost", engine.addresses[0].port
            where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            print(f"talk to it: openssl s_client -quiet -connect {where} -CAfile {self._made}", flush=True)

    def on_open(self, conn: netcore.Conn) -> None:
        """Comes after the handshake."""
        if conn.tls is not None:
            conn.write(f"{conn.tls.version}, {conn.tls.cipher}\n".encode())

    def on_traffic(self, conn: netcore.Conn) -> None:
        """Writes leave at the end of the turn, in as few records as they fit."""
        conn.write(conn.read())


def serve(arguments: argparse.Namespace, made: Path | None) -> None:
    """Serves with a certificate that is named, or one that was made."""
    context = server_context(made or arguments.tls_certificate, arguments.tls_key)
    netcore.run(TlsEcho(made), *arguments.addresses, num_event_loops=arguments.loops, tls=context)


def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Sends back whatever it receives, with TLS.")
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        default=["tls://127.0.0.1:8443"],
        help="tls://HOST:PORT (default: tls://127.0.0.1:8443)",
    )
    parser.add_argument("--tls-certificate", metavar="FILE", help="PEM (default: one is made for this run)")
    parser.add_argument("--tls-key", metavar="FILE", help="PEM (default: it is in the same file)")
    parser.add_argument("--loops", type=int, default=1, metavar="N", help="event loops (default: 1)")
    arguments = parser.parse_args()
    if arguments.tls_key and not arguments.tls_certificate:
        parser.error("--tls-key needs --tls-certificate")
    try:
        if arguments.tls_certificate:
            serve(arguments, None)
        else:
            with tempfile.TemporaryDirectory() as folder:
                serve(arguments, self_signed(Path(folder)))
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"tls echo: {error}")


if __name__ == "__main__":
    main()
