"""An echo server for datagrams: sends each back to where it came from.

python examples/udp_echo.py udp://127.0.0.1:9000
python examples/udp_echo.py --loops 2 udp://:9000
echo hello | nc -u -w1 127.0.0.1 9000

Anybody can write a sender's address into a datagram, and the answer goes there. If that is this server, or
another one that answers everything, one datagram goes round for ever. So some senders get no answer: those on
a port of this server, or below 1024, as with inetd, and those who send more in a second than `PER_SECOND`.
"""

import argparse
import sys
import time

import netcore

PER_SECOND = 1000
"""Answers for a sender; who sends more gets none until it has been silent for a second: that ends a loop."""

SENDERS = 4096
"""How many are remembered for that by each event loop."""

RESERVED = 1024
"""Ports below are of services (IPPORT_RESERVED), such as those that answer everything: echo and chargen."""


class Senders:
    """How much each has sent lately; one event loop's."""

    def __init__(self) -> None:
        self._lately: dict[netcore.Address, tuple[float, int]] = {}  # when it began, and how many since

    def may_have(self, sender: netcore.Address, now: float) -> bool:
        """Counts a datagram; returns whether it is to be answered."""
        since, count = self._lately.pop(sender, (now, 0))
        if now - since >= 1:
            since, count = now, 0
        elif count >= PER_SECOND:
            since = now  # it goes on: the second of silence has not begun
        self._lately[sender] = (since, count + 1)
        if len(self._lately) > SENDERS:
            del self._lately[next(iter(self._lately))]  # who has been silent the longest
        return count < PER_SECOND


class Echo(netcore.EventHandler):
    """Answers datagrams; what goes wrong on the way is counted and told at the end."""

    def __init__(self) -> None:
        self.errors = 0
        self.unanswered = 0
        self._ports: set[int] = set()
        self._senders: list[Senders] = []

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where, since with port 0 the system has chosen."""
        self._ports = {address.port for address in engine.addresses}
        self._senders = [Senders() for _ in engine.loops]
        print("echo on", *engine.addresses, flush=True)

    def on_traffic(self, conn: netcore.Conn) -> None:
        """Each datagram has a connection of its own; the answers of a turn leave in one system call."""
        if self._is_to_be_answered(conn):
            conn.write(conn.read())
        else:
            self.unanswered += 1

    def _is_to_be_answered(self, conn: netcore.Conn) -> bool:
        sender = conn.remote_address
        if sender.port < RESERVED or sender.port in self._ports:
            return False
        return self._senders[conn.loop.index].may_have(sender, time.monotonic())

    def on_error(self, conn: netcore.Conn, error: Exception) -> None:
        """A datagram that is lost, such as one too long to be sent, is no reason to stop."""
        self.errors += 1

    def on_shutdown(self, engine: netcore.EngineView) -> None:
        """Tells what was counted."""
        print(f"{self.errors} errors, {self.unanswered} not answered", flush=True)


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
