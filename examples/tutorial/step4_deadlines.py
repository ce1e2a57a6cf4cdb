"""Step 4: peers that say nothing, or take nothing, do not stay for ever.

python examples/tutorial/step4_deadlines.py tcp://127.0.0.1:9000
"""

import sys
from collections.abc import Iterator

import netcore
from netcore.codec import FrameHandler, LineCodec


class Commands(FrameHandler):
    """Makes an answer only as fast as the peer takes it, and gives up on a peer that does not.

    Args:
        patience: Seconds without a command after which a connection is closed.
    """

    def __init__(self, patience: float = 30) -> None:
        super().__init__(LineCodec(max_length=1024, fail_fast=True))
        self.patience = patience

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where."""
        print("commands on", *engine.addresses, flush=True)

    def on_open(self, conn: netcore.Conn) -> None:
        """Sets the deadlines; progress starts them again."""
        conn.set_read_deadline(self.patience)
        conn.set_write_deadline(self.patience)

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
        conn.resume_reading()

    def on_writable(self, conn: netcore.Conn) -> None:
        """The peer has taken what was waiting, down to the low-water mark."""
        if conn.context is not None:
            self.go_on(conn)


if __name__ == "__main__":
    patience = float(sys.argv[2]) if len(sys.argv) > 2 else 30
    address = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:9000"
    netcore.run(Commands(patience), address, high_water=65536, low_water=16384)
