"""Step 2: a protocol of lines. "upper TEXT" is answered in upper case, "count N" with N lines.

python examples/tutorial/step2_frames.py tcp://127.0.0.1:9000
"""

import sys

import netcore
from netcore.codec import FrameHandler, LineCodec


class Commands(FrameHandler):
    """Is given lines instead of bytes."""

    def __init__(self) -> None:
        super().__init__(LineCodec(max_length=1024, fail_fast=True))

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where."""
        print("commands on", *engine.addresses, flush=True)

    def on_frame(self, conn: netcore.Conn, frame: bytes) -> netcore.Action | None:
        """A line has come, without its end."""
        name, _, argument = frame.partition(b" ")
        if name == b"upper":
            self.send_frame(conn, argument.upper())
        elif name == b"count" and argument.isdigit():
            for number in range(1, int(argument) + 1):
                self.send_frame(conn, b"%d" % number)
        elif name == b"quit":
            return netcore.Action.CLOSE
        else:
            self.send_frame(conn, b"error: upper TEXT, count N or quit")
        return None

    def on_frame_error(self, conn: netcore.Conn, error: netcore.FrameError) -> netcore.Action:
        """A line was too long: says so, and closes."""
        self.send_frame(conn, b"error: " + str(error).encode())
        return netcore.Action.CLOSE


if __name__ == "__main__":
    netcore.run(Commands(), *(sys.argv[1:] or ["tcp://127.0.0.1:9000"]))
