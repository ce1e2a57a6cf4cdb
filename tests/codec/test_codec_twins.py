"""Both halves of a FrameHandler, in C and in Python, on the same history: they must do the same."""

from __future__ import annotations

import io
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from netcore import Action, Conn
from netcore._native import COLD
from netcore.codec import Codec, DelimiterCodec, FixedLengthCodec, LengthFieldCodec, LineCodec
from netcore.codec.frame_handler import FrameHandler
from netcore.errors import FrameError

if COLD:
    pytest.skip(COLD, allow_module_level=True)

from netcore.codec.hot import HotFrameHandler

Connect = Callable[..., Any]

CODECS: dict[str, Callable[[], Codec]] = {
    "length": lambda: LengthFieldCodec(3000, 0, 2, 0, 2),
    "whole length": lambda: LengthFieldCodec(30_000, 1, 3, -3, 0, "little", False, True),
    "signed length": lambda: LengthFieldCodec(3000, 2, 8, 0, 12),
    "line": lambda: LineCodec(400),
    "kept line": lambda: LineCodec(400, strip_delimiter=False, fail_fast=True),
    "delimiter": lambda: DelimiterCodec(300, b"<>"),
    "delimiters": lambda: DelimiterCodec(300, b"--", b";", strip_delimiter=False),
    "nested": lambda: DelimiterCodec(300, b"a", b"<a>"),
    "fixed": lambda: FixedLengthCodec(7),
}
SIZES = (0, 1, 7, 7, 7, 60, 299, 300, 401, 2000, 2998, 3001, 20_000)


def read(handler: Any, conn: Conn) -> None:
    handler.events.append(conn.read(3))


def peek(handler: Any, conn: Conn) -> None:
    handler.events.append(bytes(conn.peek()))


def keep(handler: Any, conn: Conn) -> None:
    file = io.BytesIO()
    conn.write_to(file)
    handler.events.append(file.getvalue())


def fail(handler: Any, conn: Conn) -> None:
    raise LookupError("a frame")


def pause(handler: Any, conn: Conn) -> None:
    conn.pause_reading()


def pass_by(handler: Any, conn: Conn) -> None:
    """Pauses, and does not mean it."""
    conn.pause_reading()
    conn.resume_reading()


def ask(handler: Any, conn: Conn) -> object:
    return handler.on_traffic(conn)


def stop(handler: Any, conn: Conn) -> None:
    raise KeyboardInterrupt


def send_much(handler: Any, conn: Conn) -> None:
    handler.send_frame(conn, b"m" * 300_000)


def send_view(handler: Any, conn: Conn) -> None:
    handler.send_frame(conn, memoryview(b"a view"))


MILD: list[Callable[[Any, Conn], object]] = [
    read,
    peek,
    keep,
    fail,
    pause,
    pass_by,
    ask,
    send_much,
    send_view,
    lambda handler, conn: conn.wake(),
    lambda handler, conn: conn.flush(),
    lambda handler, conn: Action.NONE,
    lambda handler, conn: "nothing of the kind",
]
FINAL: list[Callable[[Any, Conn], object]] = [
    lambda handler, conn: Action.CLOSE,
    lambda handler, conn: Action.SHUTDOWN,
    lambda handler, conn: conn.close(),
    lambda handler, conn: conn.abort(),
    lambda handler, conn: conn.shutdown_write(),
    stop,
]


class Scripted:
    """Does at each frame what was planned for it, and writes down what it sees."""

    on_traffic: Callable[[Conn], Action | None]
    send_frame: Callable[[Conn, Any], int]

    def __init__(self, codec: Codec, plan: dict[int, Callable[[Any, Conn], object]], lenient: bool) -> None:
        super().__init__(codec)  # type: ignore[call-arg]
        self.plan = plan
        self.lenient = lenient
        self.count = 0
        self.events: list[object] = []

    def on_frame(self, conn: Conn, frame: bytes) -> Any:
        self.note("frame", conn, type(frame), frame)
        if not conn.closed and conn.writable:
            try:
                self.note("sent", conn, self.send_frame(conn, frame[:6000]))
            except FrameError as error:
                self.note("unsent", conn, repr(error))
        self.count += 1
        act = self.plan.get(self.count)
        return None if act is None else act(self, conn)

    def on_frame_error(self, conn: Conn, error: FrameError) -> Any:
        self.note("error", conn, repr(error))
        return None if self.lenient else Action.CLOSE

    def on_error(self, conn: Conn, error: Exception) -> None:
        self.note("raised", conn, repr(error))
        if not self.lenient:
            conn.abort()

    def on_eof(self, conn: Conn) -> Any:
        self.note("eof", conn)
        return super().on_eof(conn)  # type: ignore[misc]

    def on_close(self, conn: Conn, error: Exception | None) -> Any:
        self.note("close", conn, repr(error))
        return super().on_close(conn, error)  # type: ignore[misc]

    def note(self, name: str, conn: Conn, *details: object) -> None:
        state = (conn.inbound_buffered, conn.paused, conn.closed, conn.close_reason)
        shown = [str(each).replace(f"connection {conn.id}", "it") for each in details]
        self.events.append((name, *shown, *state))


class Cold(Scripted, FrameHandler):
    """In Python."""


class Hot(Scripted, HotFrameHandler):
    """In C."""


@dataclass
class History:
    """What a peer does, by itself and to the loop."""

    codec: str
    plan: dict[int, Callable[[Any, Conn], object]]
    pieces: list[bytes]
    lenient: bool
    options: dict[str, int] = field(default_factory=dict)
    resumes: bool = True


def imagine(codec_name: str, seed: int) -> History:
    """Makes up a history: frames good and bad, cut at random, and what the handler does at some of them."""
    rng = random.Random(seed)
    codec = CODECS[codec_name]()
    stream = bytearray()
    for _ in range(rng.choice((3, 30, 100, 300))):
        size = 7 if codec_name == "fixed" else rng.choice(SIZES)
        try:
            stream += codec.encode(rng.randbytes(size) if rng.random() < 0.2 else b"x" * size)
        except FrameError:
            stream += b"\n"
        if rng.random() < 0.01:
            stream += rng.randbytes(rng.choice((1, 20, 900)))
    pieces = []
    at = 0
    whole = rng.random() < 0.3
    while at < len(stream):
        size = 60_000 if whole else rng.choice((1, 2, 9, 100, 1000, 5000, 16_384, 40_000))
        pieces.append(bytes(stream[at : at + size]))
        at += size
    plan = {rng.randint(1, 90): rng.choice(MILD) for _ in range(rng.choice((0, 3, 12, 30)))}
    if rng.random() < 0.4:
        plan[rng.randint(1, 150)] = rng.choice(FINAL)
    options = {"edge_chunk": 100_000} if rng.random() < 0.2 else {}
    if rng.random() < 0.2:
        options["max_inbound"] = 70_000
    return History(codec_name, plan, pieces, rng.random() < 0.8, options, rng.random() < 0.9)


def live(connect: Connect, history: History, kind: type[Any]) -> tuple[list[object], bytes]:
    """Lives through a history with one kind of handler; returns what both sides have seen."""
    handler = kind(CODECS[history.codec](), history.plan, history.lenient)
    peer = connect(handler, **history.options)
    for piece in history.pieces:
        if not peer.send(piece):
            break
        if history.resumes and peer.conn.paused and not peer.conn.closed:
            peer.conn.resume_reading()
            peer.turns()
            peer.receive()
        handler.note("fed", peer.conn)
    peer.sock.shutdown(socket.SHUT_WR)
    peer.turns()
    peer.receive()
    if peer.conn.paused and not peer.conn.closed:
        peer.conn.resume_reading()
        peer.turns()
        peer.receive()
    peer.close()
    return handler.events, bytes(peer.received)


@pytest.mark.parametrize("name", CODECS)
def test_they_do_the_same_in_whatever_comes(peer: Connect, name: str) -> None:
    for seed in range(40):
        history = imagine(name, seed)
        expected = live(peer, history, Cold)
        assert len(expected[0]) > 2
        assert live(peer, history, Hot) == expected, (name, seed)
