"""A TCP proxy: passes on what comes, both ways, and no faster than the other side takes it.

python examples/proxy.py tcp://127.0.0.1:9000 --to tcp://127.0.0.1:8080
"""

import argparse
import errno
import sys
from concurrent.futures import Future
from functools import partial

import netcore

OPTIONS = netcore.Options(
    # What waits in a proxy helps nobody: enough to keep the slower side busy.
    low_water=65536,
    high_water=262144,
    # The slower side may take its time with the last of what it gets: so much in a minute is a modem's pace.
    close_timeout=60,
    # Who has lost power or the net says no goodbye, and would be waited for for ever.
    tcp_keep_alive=60,
)


class Proxy(netcore.EventHandler):
    """Connects every client to a target, on the client's own loop, so that a pair needs no locks.

    The ``context`` of each connection is the other one of its pair.

    Args:
        target: Where to connect to.
        timeout: Seconds for that.
    """

    def __init__(self, target: str | netcore.Address, timeout: float = 10.0) -> None:
        self._target = netcore.Address.parse(target)
        self._timeout = timeout

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where, since with port 0 the system has chosen.

        Raises:
            OSError: The target is the proxy itself, which would dial itself without an end.
        """
        if self._target in engine.addresses:
            raise OSError(errno.ELOOP, f"{self._target} is the proxy itself")
        print("proxy on", *engine.addresses, flush=True)

    def on_open(self, conn: netcore.Conn) -> None:
        """A client has come, or the target has answered for one."""
        client: netcore.Conn | None = conn.context
        if client is None:
            conn.pause_reading()  # until there is somebody to pass it on to
            dialled = conn.loop.dial(self._target, context=conn, timeout=self._timeout)
            dialled.add_done_callback(partial(self._dialled, conn))
        elif client.closed:
            conn.abort()
        else:
            client.context = conn
            client.resume_reading()

    def _dialled(self, client: netcore.Conn, dialled: Future[netcore.Conn]) -> None:
        error = dialled.exception()
        if error is not None:
            client.loop.logger.warning("cannot reach %s: %s", self._target, error)
            client.abort()

    def on_traffic(self, conn: netcore.Conn) -> None:
        """Passes on what comes; stops reading when too much of it waits on the other side."""
        other: netcore.Conn | None = conn.context
        if other is None or other.closed:
            conn.discard()
            return
        other.write(conn.next())
        if not other.writable:
            conn.pause_reading()

    def on_writable(self, conn: netcore.Conn) -> None:
        """Reads again from the other side, whose bytes have gone out here."""
        other: netcore.Conn | None = conn.context
        if other is not None:
            other.resume_reading()

    def on_eof(self, conn: netcore.Conn) -> None:
        """Passes the end on as well; the other direction goes on."""
        other: netcore.Conn | None = conn.context
        if other is None or other.closed:
            conn.abort()
        else:
            other.shutdown_write()

    def on_close(self, conn: netcore.Conn, error: Exception | None) -> None:
        """Leaves the other side to what it has still to take, or resets it: half an answer is no whole."""
        other: netcore.Conn | None = conn.context
        conn.context = None
        if other is not None:
            other.context = None
            if conn.close_reason is not netcore.CloseReason.EOF:
                other.abort()


def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Passes TCP connections on to a target.")
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        default=["tcp://127.0.0.1:9000"],
        help="tcp://HOST:PORT or unix://PATH (default: tcp://127.0.0.1:9000)",
    )
    parser.add_argument("--to", required=True, metavar="ADDRESS", help="where to pass connections on to")
    parser.add_argument("--loops", type=int, default=1, metavar="N", help="event loops (default: 1)")
    arguments = parser.parse_args()
    try:
        netcore.run(
            Proxy(arguments.to), *arguments.addresses, options=OPTIONS, num_event_loops=arguments.loops
        )
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"proxy: {error}")


if __name__ == "__main__":
    main()
