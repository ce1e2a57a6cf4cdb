"""An echo server: sends back whatever it receives.

python examples/echo.py tcp://127.0.0.1:9000
netcore run examples.echo:Echo tcp://127.0.0.1:9000
"""

import argparse
import sys

import netcore


class Echo(netcore.EventHandler):
    """Sends back whatever comes; one object serves all connections."""

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where, since with port 0 the system has chosen."""
        print("echo on", *engine.addresses, flush=True)

    def on_traffic(self, conn: netcore.Conn) -> None:
        """Writes leave at the end of the turn, together with those of all other connections."""
        conn.write(conn.read())


def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Sends back whatever it receives.")
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        default=["tcp://127.0.0.1:9000"],
        help="tcp://HOST:PORT or unix://PATH (default: tcp://127.0.0.1:9000)",
    )
    parser.add_argument("--loops", type=int, default=1, metavar="N", help="event loops (default: 1)")
    arguments = parser.parse_args()
    try:
        netcore.run(Echo(), *arguments.addresses, num_event_loops=arguments.loops)
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"echo: {error}")


if __name__ == "__main__":
    main()
