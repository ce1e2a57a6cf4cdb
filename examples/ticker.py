"""A ticker: everybody who connects gets a line every second.

python examples/ticker.py tcp://127.0.0.1:9000 --interval 0.5
nc 127.0.0.1 9000
"""

import argparse
import sys
import threading
import time

import netcore


class Ticker(netcore.EventHandler):
    """Sends a line at regular times; needs the option ``ticker``.

    Args:
        interval: Seconds from one line to the next.
    """

    def __init__(self, interval: float = 1.0) -> None:
        self._interval = interval
        self._ticks = 0
        self._started = 0.0
        # Ticks come on the first loop, connections on any.
        self._lock = threading.Lock()
        self._listeners: dict[int, netcore.Conn] = {}

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where, since with port 0 the system has chosen."""
        self._started = time.monotonic()
        print("ticker on", *engine.addresses, flush=True)

    def on_open(self, conn: netcore.Conn) -> None:
        """Counts a listener in."""
        with self._lock:
            self._listeners[conn.id] = conn

    def on_traffic(self, conn: netcore.Conn) -> None:
        """A ticker does not listen itself."""
        conn.discard()

    def on_close(self, conn: netcore.Conn, error: Exception | None) -> None:
        """Counts a listener out."""
        with self._lock:
            del self._listeners[conn.id]

    def on_tick(self, engine: netcore.EngineView) -> float:
        """Tells everybody; the times are multiples of the interval, so that delays do not add up."""
        with self._lock:
            listeners = list(self._listeners.values())
        line = f"tick {self._ticks}, {len(listeners)} listening\n".encode()
        for conn in listeners:
            conn.async_write(line)
        self._ticks += 1
        return max(0.0, self._started + self._ticks * self._interval - time.monotonic())


def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Sends everybody a line at regular times.")
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        default=["tcp://127.0.0.1:9000"],
        help="tcp://HOST:PORT or unix://PATH (default: tcp://127.0.0.1:9000)",
    )
    parser.add_argument("--interval", type=float, default=1.0, metavar="S", help="seconds (default: 1)")
    parser.add_argument("--loops", type=int, default=1, metavar="N", help="event loops (default: 1)")
    arguments = parser.parse_args()
    if arguments.interval <= 0:
        parser.error("--interval must be above zero")
    try:
        netcore.run(
            Ticker(arguments.interval), *arguments.addresses, num_event_loops=arguments.loops, ticker=True
        )
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"ticker: {error}")


if __name__ == "__main__":
    main()
