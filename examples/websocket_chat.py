"""A chat for browsers: a page, and a WebSocket on the same port through which everybody hears everybody.

python examples/websocket_chat.py tcp://127.0.0.1:8080 --loops 2
netcore run examples.websocket_chat:WebSocketChat tcp://127.0.0.1:8080

Open http://127.0.0.1:8080/ in two windows. It needs the package wsproto. The protocol itself is
`examples.websocket_service`, which does no I/O; here it is wired to connections.
"""

import argparse
import sys
import threading
from pathlib import Path

import netcore

if not __package__:
    # Run as a script: Python has put this directory on the path, where the one above has to be.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.needed import needed

with needed("netcore-io[websocket]"):
    from examples.websocket_service import Session, text_frame

PATIENCE = 30.0
"""Seconds without a byte from a client until it is pinged, and again until it is dropped."""

LINGER = 2.0
"""Seconds for a client to read the last answer; closed at once, with bytes unread, it would get a reset."""


class WebSocketChat(netcore.EventHandler):
    """One room, whose members live on any number of loops."""

    def __init__(self) -> None:
        self._members: dict[int, netcore.Conn] = {}
        self._asked: set[int] = set()  # members who have not shown any life for a while
        # Held while a message is handed to every member, so that all hear all messages in one order.
        self._lock = threading.Lock()

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where, since with port 0 the system has chosen."""
        print("websocket chat on", *engine.addresses, flush=True)

    def on_open(self, conn: netcore.Conn) -> None:
        """Begins to listen."""
        conn.context = Session()
        conn.set_read_deadline(PATIENCE)

    def on_traffic(self, conn: netcore.Conn) -> None:
        """Answers the client, and passes on what it says."""
        session: Session = conn.context
        if session.is_over():
            conn.discard()
            return
        self._asked.discard(conn.id)
        answer = session.receive(conn.read())
        if answer:
            conn.write(answer)
        if session.chatting and conn.id not in self._members:
            self._join(conn)
        for message in session.take_messages():
            self._tell_all(message)
        if not session.chatting:
            self._leave(conn)
        if session.is_over():
            conn.shutdown_write()
            conn.loop.schedule(LINGER, conn.close)

    def on_timeout(self, conn: netcore.Conn, timeout: netcore.Timeout) -> netcore.Action | None:
        """Pings a silent member once; one that is silent again is gone, as is a client that asks nothing."""
        session: Session = conn.context
        ping = session.ping()
        if not ping or conn.id in self._asked:
            return netcore.Action.CLOSE
        self._asked.add(conn.id)
        conn.write(ping)
        return None

    def on_close(self, conn: netcore.Conn, error: Exception | None) -> None:
        """Lets a member go that has not said goodbye."""
        self._asked.discard(conn.id)
        self._leave(conn)

    def _join(self, conn: netcore.Conn) -> None:
        with self._lock:
            self._members[conn.id] = conn
            count = len(self._members)
        self._tell_all(f"* somebody has joined: {count} here")

    def _leave(self, conn: netcore.Conn) -> None:
        with self._lock:
            gone = self._members.pop(conn.id, None)
            count = len(self._members)
        if gone is not None:
            self._tell_all(f"* somebody has left: {count} here")

    def _tell_all(self, message: str) -> None:
        frame = text_frame(message)
        with self._lock:
            for member in self._members.values():
                member.async_write(frame)


def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="A chat for browsers, by WebSocket.")
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        default=["tcp://127.0.0.1:8080"],
        help="tcp://HOST:PORT (default: tcp://127.0.0.1:8080)",
    )
    parser.add_argument("--loops", type=int, default=1, metavar="N", help="event loops (default: 1)")
    arguments = parser.parse_args()
    try:
        netcore.run(
            WebSocketChat(),
            *arguments.addresses,
            num_event_loops=arguments.loops,
            # A member who does not read is dropped rather than remembered for: the room goes on without.
            low_water=65536,
            high_water=262144,
            max_outbound=1 << 20,
        )
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"websocket chat: {error}")


if __name__ == "__main__":
    main()
