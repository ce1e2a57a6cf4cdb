"""Step 5: a stop that cuts no answer short.

python examples/tutorial/step5_graceful_stop.py tcp://127.0.0.1:9000
"""

import contextlib
import queue
import signal
import sys
from collections.abc import Iterator

import netcore
from netcore.codec import FrameHandler, LineCodec


class Commands(FrameHandler):
    """Makes answers only as fast as peers take them, gives up on those that do not, and stops in order.

    Args:
        patience: Seconds without a command after which a connection is closed.
    """

    def __init__(self, patience: float = 30) -> None:
        super().__init__(LineCodec(max_length=1024, fail_fast=True))
        self.patience = patience
        self.winding_up = False
        # Of all loops together: adding to a set, taking from it and copying it are atomic.
        self.conns: set[netcore.Conn] = set()

    def on_open(self, conn: netcore.Conn) -> netcore.Action | None:
        """Sets the deadlines; progress starts them again."""
        self.conns.add(conn)
        if self.winding_up:  # accepted in the last moment
            return netcore.Action.CLOSE
        conn.set_read_deadline(self.patience)
        conn.set_write_deadline(self.patience)
        return None

    def on_close(self, conn: netcore.Conn, error: Exception | None) -> None:
        """Forgets the connection."""
        self.conns.discard(conn)

    def wind_up(self) -> None:
        """Has every connection end as soon as its answer is complete. Any thread."""
        self.winding_up = True
        for conn in self.conns.copy():
            conn.loop.execute(self.close_if_idle, conn)

    def close_if_idle(self, conn: netcore.Conn) -> None:
        """Closes, unless an answer is under way; on the connection's loop."""
        if conn.context is None:
            conn.close()

    def on_timeout(self, conn: netcore.Conn, timeout: netcore.Timeout) -> netcore.Action | None:
        """Nothing was received, or nothing was taken, for too long."""
        if timeout is netcore.Timeout.READ:
            if conn.context is not None:
                return None  # it is reading our answer; the write deadline watches that
            self.send_frame(conn, b"error: no command for %g s" % self.patience)
            return netcore.Action.CLOSE
        conn.abort()  # what it did not take so far it would not take now
        return None

    def on_frame(self, conn: netcore.Conn, frame: bytes) -> netcore.Action | None:
        """Begins an answer."""
        if frame == b"quit":
            return netcore.Action.CLOSE
        conn.context = self.answer(frame)
        self.go_on(conn)
        return None

    def answer(self, command: bytes) -> Iterator[bytes]:
        """Makes the lines of an answer, one at a time."""
        name, _, argument = command.partition(b" ")
        if name == b"upper":
            yield argument.upper()
        elif name == b"count" and argument.isdigit():
            for number in range(1, int(argument) + 1):
                yield b"%d" % number
        else:
            yield b"error: upper TEXT, count N or quit"

    def go_on(self, conn: netcore.Conn) -> None:
        """Writes until the answer is complete, or so much waits that later commands have to wait."""
        for line in conn.context:
            self.send_frame(conn, line)
            if not conn.writable:
                conn.pause_reading()
                return
        conn.context = None
        if self.winding_up:
            conn.close()
        else:
            conn.resume_reading()

    def on_writable(self, conn: netcore.Conn) -> None:
        """The peer has taken what was waiting, down to the low-water mark."""
        if conn.context is not None:
            self.go_on(conn)


def main() -> None:
    """Serves until the first SIGINT or SIGTERM, and then as long as answers are under way."""
    # Where a signal handler may put something whatever it interrupts; threading.Event is no such place.
    asked: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGINT, getattr(signal, "SIGBREAK", signal.SIGTERM)):  # Ctrl+Break of Windows
        signal.signal(number, lambda number, _: asked.put(number))
    handler = Commands()
    addresses = sys.argv[1:] or ["tcp://127.0.0.1:9000"]
    with netcore.Engine(handler, *addresses, high_water=65536, low_water=16384) as engine:
        print("commands on", *engine.addresses, flush=True)
        while True:
            with contextlib.suppress(queue.Empty):
                asked.get(timeout=1)  # a signal that does not interrupt the wait is handled after it
                break
        engine.stop_accepting()
        handler.wind_up()
        complete = engine.drain(timeout=20)
    print("all answers are complete" if complete else "some answers were cut short", flush=True)


if __name__ == "__main__":
    main()
