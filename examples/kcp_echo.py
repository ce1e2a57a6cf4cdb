"""An echo server for KCP, streams over UDP, and a client that measures how long its answers take.

python examples/kcp_echo.py kcp://127.0.0.1:9000
python examples/kcp_echo.py kcp://127.0.0.1:9000 --client --messages 50
netcore run examples.kcp_echo:KcpEcho kcp://:9000 --kcp-mtu 1200

KCP has neither a handshake nor an end. So the client speaks first, or the server would not know of it, and
says when it goes, or the server would keep it until it had been silent for `idle_timeout`.
"""

import argparse
import dataclasses
import statistics
import sys
import threading
import time

import netcore
from netcore.codec import FixedLengthCodec, FrameHandler
from netcore.kcp import KcpOptions

SIZE = 8
"""Bytes of a message."""

GOODBYE = b"goodbye!"
"""The message that is not answered, but ends the session."""

ATTEMPTS = 8
"""How often a message is sent before its peer counts as gone: six seconds, unless a round trip is known."""

FAST = KcpOptions(dead_link=ATTEMPTS)
GENTLE = dataclasses.replace(FAST, no_delay=False, interval=0.04, fast_resend=3, congestion_control=True)
"""Slows down when something is lost, and is as patient as TCP."""


class KcpEcho(FrameHandler):
    """Answers each message with itself. A session is a connection as any other."""

    def __init__(self) -> None:
        super().__init__(FixedLengthCodec(SIZE))

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where, since with port 0 the system has chosen."""
        print("kcp echo on", *engine.addresses, flush=True)

    def on_frame(self, conn: netcore.Conn, frame: bytes) -> netcore.Action | None:
        """What is written leaves at the end of the turn, and does not wait for the interval of KCP."""
        if frame == GOODBYE:
            return netcore.Action.CLOSE
        self.send_frame(conn, frame)
        return None


class Caller(FrameHandler):
    """Says something, waits for the answer, and says the next thing.

    Args:
        count: How many messages.
        pause: Seconds from an answer to the next message.

    Attributes:
        times: Seconds that each answer took.
        error: What ended the session before all answers were there; None for nothing.
        ended: Set when it is over.
    """

    def __init__(self, count: int, pause: float) -> None:
        super().__init__(FixedLengthCodec(SIZE))
        self.times: list[float] = []
        self.error: Exception | None = None
        self.ended = threading.Event()
        self._count = count
        self._pause = pause
        self._said_at = 0.0

    def on_open(self, conn: netcore.Conn) -> None:
        """Comes at once, whether or not somebody is there."""
        self._say(conn)

    def _say(self, conn: netcore.Conn) -> None:
        if not conn.closed:
            self._said_at = time.perf_counter()
            self.send_frame(conn, len(self.times).to_bytes(SIZE, "big"))

    def on_frame(self, conn: netcore.Conn, frame: bytes) -> netcore.Action | None:
        """The answer: counts it, and plans the next message."""
        self.times.append(time.perf_counter() - self._said_at)
        if len(self.times) < self._count:
            conn.loop.schedule(self._pause, self._say, conn)
            return None
        self.send_frame(conn, GOODBYE)
        return netcore.Action.CLOSE

    def on_close(self, conn: netcore.Conn, error: Exception | None) -> None:
        """Whoever does not answer any more, and whoever has never been there, are the same."""
        if len(self.times) < self._count:
            self.error = error or TimeoutError("the peer does not answer")
        self.ended.set()


def call(address: str, caller: Caller, options: KcpOptions) -> str:
    """Asks a server, and returns what came of it.

    Raises:
        OSError: The peer does not answer.
    """
    with netcore.Client(caller, kcp=options) as client:
        client.dial(address)
        caller.ended.wait()
    if caller.error is not None:
        raise caller.error
    least, mean, most = (1000 * of(caller.times) for of in (min, statistics.mean, max))
    return f"{len(caller.times)} answers after {least:.1f} to {most:.1f} ms, {mean:.1f} on average"


def main() -> None:
    """Serves until SIGINT or SIGTERM, or asks a server."""
    parser = argparse.ArgumentParser(description="Sends messages back, over KCP; or asks somebody who does.")
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        default=["kcp://127.0.0.1:9000"],
        help="kcp://HOST:PORT (default: kcp://127.0.0.1:9000)",
    )
    parser.add_argument("--client", action="store_true", help="ask the server at the first ADDRESS")
    parser.add_argument("--messages", type=int, default=20, metavar="N", help="of the client (default: 20)")
    parser.add_argument("--pause", type=float, default=0.1, metavar="S", help="between them (default: 0.1)")
    parser.add_argument("--gentle", action="store_true", help="be as patient as TCP, and slow down like it")
    parser.add_argument("--loops", type=int, default=1, metavar="N", help="event loops (default: 1)")
    arguments = parser.parse_args()
    if arguments.messages < 1:
        parser.error("--messages must be at least 1")
    options = GENTLE if arguments.gentle else FAST
    try:
        for address in map(netcore.Address.parse, arguments.addresses):
            if not address.is_kcp:
                sys.exit(f"kcp echo: {address} is no address of KCP: use kcp://HOST:PORT")
        if arguments.client:
            print(call(arguments.addresses[0], Caller(arguments.messages, arguments.pause), options))
        else:
            netcore.run(KcpEcho(), *arguments.addresses, num_event_loops=arguments.loops, kcp=options)
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"kcp echo: {error}")


if __name__ == "__main__":
    main()
