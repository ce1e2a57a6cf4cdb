"""Echo of length-field frames as a Protocol, on a loop of asyncio's kind.

Usage: frames_protocol.py LOOP each|joined PORT. `each` writes the reply to a frame as soon as the frame is
there, `joined` gathers those to all frames of one data_received and writes once.
"""

import asyncio
import struct
import sys
from typing import cast

from asyncio_loop import run

_PREFIX = struct.Struct(">I")
_MAX_FRAME = 1 << 20


class Frames(asyncio.Protocol):
    """Frames are four bytes of big-endian length and so many of payload."""

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        while size - at >= _PREFIX.size:
            begin = at + _PREFIX.size
            (length,) = _PREFIX.unpack_from(data, at)
            if length > _MAX_FRAME:
                self.transport.abort()
                return
            if size - begin < length:
                break
            at = begin + length
            self.frame_received(data[begin:at])
        self._rest = data[at:]

    def frame_received(self, frame: bytes) -> None:
        self.transport.write(_PREFIX.pack(len(frame)) + frame)


class JoinedFrames(Frames):
    def __init__(self) -> None:
        super().__init__()
        self._replies: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.write(b"".join(self._replies))
        self._replies.clear()

    def frame_received(self, frame: bytes) -> None:
        self._replies += (_PREFIX.pack(len(frame)), frame)


async def serve(writing: str, port: int) -> None:
    protocol = JoinedFrames if writing == "joined" else Frames
    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    run(sys.argv[1], serve(sys.argv[2], int(sys.argv[3])))
