"""What is attacked: small servers that do one thing as programs do it, and the examples."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from netcore import Action, Conn, EventHandler
from netcore.codec import DelimiterCodec, FrameHandler, LengthFieldCodec

CHUNK = bytes(65536)
ANSWER = 8 << 20
FILE_SIZE = 16 << 20
PING = b"ping\n"


class Counting(EventHandler):
    """Counts what must come in pairs; in front of any handler."""

    calls: Counter[str] = Counter()

    def on_open(self, conn: Conn) -> Action | None:
        self.calls["open"] += 1
        return super().on_open(conn)

    def on_close(self, conn: Conn, error: Exception | None) -> Action | None:
        self.calls["close"] += 1
        return super().on_close(conn, error)


class Echo(EventHandler):
    """Sends back what comes."""

    def on_traffic(self, conn: Conn) -> Action | None:
        conn.write(conn.read())
        return None


class Busy(EventHandler):
    """Takes some time over a datagram, as a handler in Python does."""

    def on_traffic(self, conn: Conn) -> Action | None:
        data = conn.read()
        if conn.network == "udp":
            end = time.perf_counter() + 15e-6
            while time.perf_counter() < end:
                pass
        else:
            conn.write(data)
        return None


class Answers(EventHandler):
    """Answers all but a ping with more than a peer takes at once, and minds the water marks."""

    def on_traffic(self, conn: Conn) -> Action | None:
        if conn.read() == PING:
            conn.write(PING)
        elif conn.context is None:
            conn.context = ANSWER
            self.on_writable(conn)
        return None

    def on_writable(self, conn: Conn) -> Action | None:
        while conn.context and conn.writable:
            conn.write(bytearray(CHUNK))  # a copy each: as answers are that are made for somebody
            conn.context -= len(CHUNK)
        return None


class Blunt(EventHandler):
    """Does not mind the water marks: only the maximum bounds it."""

    def on_traffic(self, conn: Conn) -> Action | None:
        if conn.read() == PING:
            conn.write(PING)
            return None
        for _ in range(ANSWER // len(CHUNK)):
            conn.write(bytearray(CHUNK))
        return None


class Pour(EventHandler):
    """Writes as long as it may, small pieces, to a peer that reads as fast as it can."""

    def on_traffic(self, conn: Conn) -> Action | None:
        if conn.read() == PING:
            conn.write(PING)
            return None
        return self.on_writable(conn)

    def on_writable(self, conn: Conn) -> Action | None:
        while conn.writable:
            conn.write(b"x" * 99 + b"\n")
        return None


class Hoard(EventHandler):
    """Waits for the rest of something that does not end."""

    def on_traffic(self, conn: Conn) -> Action | None:
        if conn.inbound_buffered == len(PING):
            conn.write(conn.read())
        return None


class Bye(EventHandler):
    """Has a word and closes."""

    def on_open(self, conn: Conn) -> Action | None:
        conn.write(b"bye")
        return Action.CLOSE


class Download(EventHandler):
    """Sends a file; who half-closes gets it all the same."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the server
        self.file.truncate(FILE_SIZE)

    def on_traffic(self, conn: Conn) -> Action | None:
        if conn.read() == PING:
            conn.write(PING)
        else:
            conn.sendfile(self.file)
        return None

    def on_eof(self, conn: Conn) -> Action | None:
        return None if conn.outbound_buffered else Action.CLOSE


class EchoFrames(FrameHandler):
    """Sends back each frame of a codec."""

    def on_frame(self, conn: Conn, frame: bytes) -> Action | None:
        self.send_frame(conn, frame)
        return None


def _lines() -> EventHandler:
    from examples.tutorial.step4_deadlines import Commands

    return Commands()


def _http() -> EventHandler:
    from examples.http_server import HttpServer

    return HttpServer()


def _redis() -> EventHandler:
    from examples.redis import Redis

    return Redis()


def _websocket() -> EventHandler:
    from examples.websocket_chat import WebSocketChat

    return WebSocketChat()


SERVERS: dict[str, Callable[[], EventHandler]] = {
    "echo": Echo,
    "busy": Busy,
    "answers": Answers,
    "blunt": Blunt,
    "pour": Pour,
    "hoard": Hoard,
    "bye": Bye,
    "download": Download,
    "frames": lambda: EchoFrames(LengthFieldCodec(65536, initial_bytes_to_strip=4)),
    "delimited": lambda: EchoFrames(DelimiterCodec(1024, b"\n", b"\0\0")),
    "lines": _lines,
    "http": _http,
    "redis": _redis,
    "websocket": _websocket,
}

OPTIONS: dict[str, dict[str, Any]] = {
    "lines": {"high_water": 65536, "low_water": 16384},
}
"""What a server takes of its engine, as the program it is from does."""

PINGS: dict[str, tuple[bytes, bytes]] = {
    "frames": (b"\0\0\0\4ping", b"\0\0\0\4ping"),
    "lines": (b"upper ping\n", b"PING\n"),
    "http": (b"GET /hello HTTP/1.1\r\nHost: neighbour\r\n\r\n", b"HTTP/1.1 200"),
    "redis": (b"PING\r\n", b"+PONG\r\n"),
    "websocket": (b"GET / HTTP/1.1\r\nHost: neighbour\r\n\r\n", b"HTTP/1.1 200"),
}
"""What a neighbour asks, and what is in the answer; all others are asked `PING` and answer that."""


def counted(name: str) -> EventHandler:
    """Makes a server's handler, whose connections are counted."""
    handler: Any = SERVERS[name]()
    handler.__class__ = type(f"Counted{name.title()}", (Counting, type(handler)), {})
    made: EventHandler = handler
    return made
