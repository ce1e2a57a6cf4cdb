"""Echo of length-field frames with netcore, one loop. Usage: frames_netcore.py PORT."""

import sys

import netcore
from netcore import codec


class Echo(codec.FrameHandler):
    def on_frame(self, conn: netcore.Conn, frame: bytes) -> None:
        self.send_frame(conn, frame)


if __name__ == "__main__":
    frames = codec.LengthFieldCodec(1 << 20, initial_bytes_to_strip=4)
    netcore.run(Echo(frames), f"tcp://127.0.0.1:{sys.argv[1]}", num_event_loops=1)
