"""FrameHandler on real sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

import pytest

from netcore import Conn, Engine
from netcore.codec import Codec, DelimiterCodec, FixedLengthCodec, FrameHandler, LengthFieldCodec, LineCodec
from netcore.poll import open_poller

Serve = Callable[..., Engine]
Dial = Callable[..., socket.socket]
Receive = Callable[[socket.socket, int], bytes]

CODECS = {
    "line": LineCodec(20_000),
    "delimiter": DelimiterCodec(20_000, b"<>"),
    "fixed": FixedLengthCodec(10),
    "length": LengthFieldCodec(20_002, 0, 2, 0, 2),
}


class Echo(FrameHandler):
    def on_frame(self, conn: Conn, frame: bytes) -> None:
        self.send_frame(conn, frame)


class Paced(Echo):
    """Pauses after every third frame and is resumed from another thread."""

    def __init__(self, codec: Codec) -> None:
        super().__init__(codec)
        self.count = 0

    def on_frame(self, conn: Conn, frame: bytes) -> None:
        super().on_frame(conn, frame)
        self.count += 1
        if self.count % 3 == 0:
            conn.pause_reading()
            threading.Thread(target=conn.resume_reading).start()


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("options", [{}, {"edge_triggered": True}, {"num_event_loops": 2, "debug": True}])
def test_pipelined_frames_come_back(
    serve: Serve, dial: Dial, receive: Receive, name: str, options: dict[str, object]
) -> None:
    with contextlib.closing(open_poller()) as poller:
        if "edge_triggered" in options and not poller.supports_edge:
            pytest.skip(f"the poller {poller.name} has no edges")
    codec = CODECS[name]
    handler = Echo(codec)
    engine = serve(handler, **options)
    sizes = [10] * 500 if name == "fixed" else [0, 1, 60, 20_000, 300] * 40
    data = b"".join(codec.encode(bytes([97 + i % 20]) * size) for i, size in enumerate(sizes))
    for sock in [dial(engine) for _ in range(4)]:
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        assert receive(sock, len(data)) == data
        sender.join()
        sock.sendall(codec.encode(b"incomplete")[:5])
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1000) == b""
        sock.close()
    assert engine.stop(30)
    assert not handler._nc_sessions


def test_pauses_lose_nothing_however_they_fall(serve: Serve, dial: Dial, receive: Receive) -> None:
    engine = serve(Paced(CODECS["line"]))
    sock = dial(engine)
    data = b"".join(b"line %d\n" % i for i in range(100))
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
    assert receive(sock, len(data) + 1) == data
