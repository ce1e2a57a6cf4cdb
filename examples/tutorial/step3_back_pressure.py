"""Step 3: the same protocol with bounded memory, however much is asked for and however slowly it is read.

python examples/tutorial/step3_back_pressure.py tcp://127.0.0.1:9000
"""

import sys
from collections.abc import Iterator

import netcore
from netcore.codec import FrameHandler, LineCodec


class Commands(FrameHandler):
    """Makes an answer only as fast as the peer takes it."""

    def __init__(self) -> None:
        super().__init__(LineCodec(max_length=1024, fail_fast=True))

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where."""
        print("commands on", *engine.addresses, flush=True)

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
    netcore.run(Commands(), *(sys.argv[1:] or ["tcp://127.0.0.1:9000"]), high_water=65536, low_water=16384)
