"""An echo server with TLS, which says what was agreed on and then sends back whatever it receives.

python examples/tls_echo.py
python examples/tls_echo.py tls://:8443 --tls-certificate cert.pem --tls-key key.pem
netcore run examples.tls_echo:TlsEcho tls://:8443 --tls-certificate cert.pem --tls-key key.pem
openssl s_client -quiet -connect 127.0.0.1:8443 -CAfile cert.pem

Without a certificate it makes one for this run, by the program openssl, and says how to talk to it.
"""

import argparse
import sys
from pathlib import Path

import netcore

if not __package__:
    # Run as a script: Python has put this directory on the path, where the one above has to be.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.certificates import Certified, add_arguments, certified


class TlsEcho(netcore.EventHandler):
    """Knows nothing of TLS but what `conn.tls` says; all else is as without.

    Args:
        secrets: What is said of the certificate in the beginning; None for nothing.
    """

    def __init__(self, secrets: Certified | None = None) -> None:
        self._secrets = secrets

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where, since with port 0 the system has chosen."""
        print("tls echo on", *engine.addresses, flush=True)
        if self._secrets is not None and (hint := self._secrets.hint(engine.addresses[0])):
            print(hint, flush=True)

    def on_open(self, conn: netcore.Conn) -> None:
        """Comes after the handshake."""
        if conn.tls is not None:
            conn.write(f"{conn.tls.version}, {conn.tls.cipher}\n".encode())

    def on_traffic(self, conn: netcore.Conn) -> None:
        """Writes leave at the end of the turn, in as few records as they fit."""
        conn.write(conn.read())


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
    add_arguments(parser)
    parser.add_argument("--loops", type=int, default=1, metavar="N", help="event loops (default: 1)")
    arguments = parser.parse_args()
    try:
        for address in map(netcore.Address.parse, arguments.addresses):
            if not address.is_tls:
                sys.exit(f"tls echo: {address} is without TLS: use tls://HOST:PORT")
        with certified(arguments) as secrets:
            handler = TlsEcho(secrets)
            netcore.run(handler, *arguments.addresses, num_event_loops=arguments.loops, tls=secrets.context)
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"tls echo: {error}")


if __name__ == "__main__":
    main()
