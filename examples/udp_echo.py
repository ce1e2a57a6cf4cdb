"""An echo server for datagrams: sends each back to where it came from.

python examples/udp_echo.py udp://127.0.0.1:9000
python examples/udp_echo.py --loops 2 udp://:9000
echo hello | nc -u -w1 127.0.0.1 9000
"""

import argparse
import sys

import netcore


class Echo(netcore.EventHandler):
    """Answers every datagram; what goes wrong on the way is counted and told at the end."""

    def __init__(self) -> None:
        self.errors = 0

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where, since with port 0 the system has chosen."""
        print("echo on", *engine.addresses, flush=True)

    def on_traffic(self, conn: netcore.Conn) -> None:
        """Each datagram has a connection of its own; the answers of a turn leave in one system call."""
        conn.write(conn.read())

    def on_error(self, conn: netcore.Conn, error: Exception) -> None:
        """A datagram that is lost, such as one too long to be sent, is no reason to stop."""
        self.errors += 1

    def on_shutdown(self, engine: netcore.EngineView) -> None:
        """Tells what was counted."""
        print(f"{self.errors} errors", flush=True)


def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Sends each datagram back to its sender.")
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        default=["udp://127.0.0.1:9000"],
        help="udp://HOST:PORT, a multicast group too (default: udp://127.0.0.1:9000)",
    )
    parser.add_argument("--loops", type=int, default=1, metavar="N", help="event loops (default: 1)")
    parser.add_argument(
        "--interface", type=int, default=0, metavar="INDEX", help="where to join multicast groups"
    )
    arguments = parser.parse_args()
    try:
        netcore.run(
            Echo(),
            *arguments.addresses,
            num_event_loops=arguments.loops,
            multicast_interface=arguments.interface,
        )
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"echo: {error}")


if __name__ == "__main__":
    main()
