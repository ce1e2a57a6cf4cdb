"""Publish and subscribe: what one client says of a topic goes to all who have asked for it.

python examples/broadcast.py tcp://127.0.0.1:9000 --loops 2 --slow skip
netcore run examples.broadcast:Broadcast tcp://127.0.0.1:9000
nc 127.0.0.1 9000

Lines are commands: sub TOPIC, unsub TOPIC, pub TOPIC TEXT. A subscriber who does not read fast enough misses
messages, and is told how many, or is dropped.
"""

import argparse
import sys
from contextlib import suppress

import netcore
from netcore.codec import FrameHandler, LineCodec

MAX_LINE = 4096
MAX_TOPICS = 100
"""Of one subscriber."""

Subscribers = dict[int, netcore.Conn]


class Broadcast(FrameHandler):
    """Any number of topics, whose subscribers live on any number of loops.

    Each loop has a table of its own subscribers that only its own thread touches. So a message is one task
    for each loop, whatever the number of subscribers, and one ``bytes`` object for all of them.
    """

    def __init__(self, slow: str = "skip") -> None:
        super().__init__(LineCodec(MAX_LINE, fail_fast=True))
        self._drops_slow = slow == "close"
        self._loops: tuple[netcore.EventLoop, ...] = ()
        self._tables: list[dict[bytes, Subscribers]] = []

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where, since with port 0 the system has chosen."""
        self._loops = engine.loops
        self._tables = [{} for _ in engine.loops]
        print("broadcast on", *engine.addresses, flush=True)

    def on_open(self, conn: netcore.Conn) -> None:
        """Lets a client in, who is subscribed to nothing and has missed nothing."""
        conn.context = Client()

    def on_frame(self, conn: netcore.Conn, frame: bytes) -> None:
        """Does what a line says."""
        command, _, rest = frame.partition(b" ")
        topic, _, text = rest.partition(b" ")
        if not topic or command not in (b"sub", b"unsub", b"pub"):
            self.send_frame(conn, b"! sub TOPIC, unsub TOPIC, pub TOPIC TEXT")
        elif command == b"pub":
            self.publish(topic, text)
        elif command == b"unsub":
            self._leave(conn, topic)
        elif len(conn.context.topics) < MAX_TOPICS:
            conn.context.topics.add(topic)
            self._tables[conn.loop.index].setdefault(topic, {})[conn.id] = conn
        else:
            self.send_frame(conn, b"! too many topics")

    def publish(self, topic: bytes, text: bytes) -> None:
        """Sends a message to all who have asked for it. Any thread."""
        message = self.codec.encode(topic + b" " + text)
        for loop in self._loops:
            with suppress(netcore.EngineNotRunningError):  # it has ended, and with it its clients
                loop.execute(self._deliver, loop.index, topic, message)

    def on_writable(self, conn: netcore.Conn) -> None:
        """Tells who has caught up what is missing."""
        missed, conn.context.missed = conn.context.missed, 0
        if missed:
            self.send_frame(conn, b"! %d missed" % missed)

    def on_close(self, conn: netcore.Conn, error: Exception | None) -> None:
        """Takes a client out of all tables."""
        super().on_close(conn, error)
        for topic in tuple(conn.context.topics):
            self._leave(conn, topic)

    def _leave(self, conn: netcore.Conn, topic: bytes) -> None:
        conn.context.topics.discard(topic)
        table = self._tables[conn.loop.index]
        table.get(topic, {}).pop(conn.id, None)
        if topic in table and not table[topic]:
            del table[topic]

    def _deliver(self, index: int, topic: bytes, message: bytes) -> None:
        """Writes to the subscribers of one loop, on its thread: what is bytes is shared, and never copied."""
        for conn in self._tables[index].get(topic, {}).values():
            if conn.writable:
                conn.write(message)
            elif not conn.closed:  # as much waits for it as may: the others do not wait
                if self._drops_slow:
                    conn.abort()
                else:
                    conn.context.missed += 1


class Client:
    """What is known of one.

    Attributes:
        topics: What it has asked for.
        missed: How many messages it has missed since it fell behind.
    """

    def __init__(self) -> None:
        self.topics: set[bytes] = set()
        self.missed = 0


def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Publish and subscribe, line by line.")
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        default=["tcp://127.0.0.1:9000"],
        help="tcp://HOST:PORT or unix://PATH (default: tcp://127.0.0.1:9000)",
    )
    parser.add_argument("--loops", type=int, default=1, metavar="N", help="event loops (default: 1)")
    parser.add_argument(
        "--slow",
        choices=("skip", "close"),
        default="skip",
        help="what becomes of who does not read: skip messages, or close (default: skip)",
    )
    arguments = parser.parse_args()
    try:
        netcore.run(
            Broadcast(arguments.slow),
            *arguments.addresses,
            num_event_loops=arguments.loops,
            low_water=16384,
            high_water=65536,
            socket_send_buffer=65536,
        )
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"broadcast: {error}")


if __name__ == "__main__":
    main()
