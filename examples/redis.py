"""A Redis server: strings, lists, sets, hashes and sorted sets in memory, with expiry, RESP2 and RESP3.

python examples/redis.py tcp://127.0.0.1:6380 --loops 2
netcore run examples.redis:Redis tcp://127.0.0.1:6380

It needs the package hiredis. The server itself is `examples.redis_server`, which does no I/O; here it is
wired to connections.
"""

import argparse
import sys
import threading
from pathlib import Path

import netcore

if not __package__:
    # Run as a script. Python has put this directory on the path, where this file would hide the client
    # package called redis; what has to be there is the directory above.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.needed import needed

with needed("netcore-io[redis]"):
    from examples.redis_server import Server, Session

OPTIONS = netcore.Options(
    # Redis does not limit what waits for an ordinary client either, but a reply is at most a few values.
    max_outbound=1 << 30,
    # As Redis has it: who has lost power or the net says no goodbye.
    tcp_keep_alive=300,
)


class Redis(netcore.EventHandler):
    """A database; all loops serve the same one."""

    def __init__(self) -> None:
        self.server = Server()
        # Makes the requests of one turn of a connection atomic. With a single loop it is never contended,
        # and costs less than asking whether it is needed.
        self._lock = threading.Lock()

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Starts the periodic work and says where clients may connect."""
        ports = [address.port for address in engine.addresses if address.network.startswith("tcp")]
        self.server.port = ports[0] if ports else 0
        self._tick(engine.loops[0])
        print("redis on", *engine.addresses, flush=True)

    def on_open(self, conn: netcore.Conn) -> None:
        """Begins a session."""
        local = _endpoint(conn.local_address)
        # The client's end of a Unix socket has no name; Redis shows the server's instead.
        remote = local if conn.network == "unix" else _endpoint(conn.remote_address)
        with self._lock:
            conn.context = self.server.connect(remote, local, conn.fd)

    def on_traffic(self, conn: netcore.Conn) -> netcore.Action | None:
        """Executes the requests that have come, and answers them with one write."""
        session: Session = conn.context
        data = conn.read()
        with self._lock:
            reply, close = session.receive(data)
        if reply:
            conn.write(reply)
            if not conn.writable:
                # The client reads more slowly than it asks: no more until it has caught up.
                conn.pause_reading()
            elif session.behind:
                conn.wake()
        return netcore.Action.CLOSE if close else None

    def on_writable(self, conn: netcore.Conn) -> netcore.Action | None:
        """Goes on with a client that has read its replies."""
        conn.resume_reading()
        return self.on_traffic(conn)

    def on_eof(self, conn: netcore.Conn) -> netcore.Action | None:
        """Answers what has been asked before it lets the client go."""
        session: Session = conn.context
        session.end()
        return None if session.behind else netcore.Action.CLOSE

    def on_close(self, conn: netcore.Conn, error: Exception | None) -> None:
        """Ends the session."""
        with self._lock:
            self.server.disconnect(conn.context)

    def _tick(self, loop: netcore.EventLoop) -> None:
        with self._lock:
            delay = self.server.tick()
        loop.schedule(delay, self._tick, loop)


def _endpoint(address: netcore.Address) -> str:
    return f"{address.path}:0" if address.network == "unix" else f"{address.host}:{address.port}"


def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Serves the Redis protocol, from memory only.")
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        default=["tcp://127.0.0.1:6380"],
        help="tcp://HOST:PORT or unix://PATH (default: tcp://127.0.0.1:6380)",
    )
    parser.add_argument("--loops", type=int, default=1, metavar="N", help="event loops (default: 1)")
    arguments = parser.parse_args()
    try:
        netcore.run(Redis(), *arguments.addresses, options=OPTIONS, num_event_loops=arguments.loops)
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"redis: {error}")


if __name__ == "__main__":
    main()
