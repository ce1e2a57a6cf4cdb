"""What has come behind the last delimiter when a stream ends: dropped, or a frame."""

from __future__ import annotations

import errno
import itertools
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore import Action, Conn, FrameError, TooLongFrameError
from netcore.aio import AsyncHandler
from netcore.codec import Decoder, DelimiterCodec, FrameHandler, LengthFieldCodec, LineCodec
from netcore.tls import TlsTruncatedError, server_context

World = Callable[..., Any]


def line(max_length: int = 20, **options: bool) -> LineCodec:
    return LineCodec(max_length, accept_unterminated=True, **options)


def all_of(decoder: Decoder, *pieces: bytes) -> list[object]:
    """Feeds a decoder and ends; returns frames, and errors as their classes."""
    found: list[object] = []

    def take(next_one: Callable[[], bytes | None]) -> None:
        while True:
            try:
                frame = next_one()
            except FrameError as error:
                found.append(type(error))
            else:
                if frame is None:
                    return
                found.append(frame)

    for piece in pieces:
        decoder.feed(piece)
        take(decoder.next_frame)
    take(decoder.last_frame)
    assert decoder.next_frame() is None and decoder.last_frame() is None
    return found


CASES: dict[str, tuple[Any, bytes, list[object]]] = {
    "a rest": (line(), b"one\ntwo", [b"one", b"two"]),
    "nothing": (line(), b"", []),
    "no rest": (line(), b"one\n", [b"one"]),
    "a rest alone": (line(), b"one", [b"one"]),
    "a CR that no LF follows": (line(), b"one\r\ntwo\r", [b"one", b"two"]),
    "kept ends": (line(strip_delimiter=False), b"one\r\ntwo\r", [b"one\r\n", b"two\r"]),
    "as long as may be": (line(3), b"one\r\ntwo\r", [b"one", b"two"]),
    "too long at once": (line(3, fail_fast=True), b"one\nthree", [b"one", TooLongFrameError]),
    "too long at its end": (line(3), b"one\nthree", [b"one", TooLongFrameError]),
    "by a CR that ends nothing": (
        DelimiterCodec(3, b"\n", b"\r\n\n", accept_unterminated=True),
        b"one\r",
        [TooLongFrameError],
    ),
    "half a delimiter": (DelimiterCodec(9, b"||", accept_unterminated=True), b"a||b|", [b"a", b"b|"]),
    "several": (DelimiterCodec(9, b";", b"\0", accept_unterminated=True), b"a;b\0c", [b"a", b"b", b"c"]),
    "one that has waited for another": (
        DelimiterCodec(9, b"a", b"xay", accept_unterminated=True),
        b"1xa2xa",
        [b"1x", b"2x"],
    ),
    "unless asked for": (LineCodec(20), b"one\ntwo", [b"one"]),
    "too long, unless asked for": (LineCodec(3), b"one\nthree", [b"one"]),
    "other codecs": (LengthFieldCodec(20), b"\0\0\0\3one\0\0\0\3tw", [b"\0\0\0\3one"]),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_same_however_the_stream_was_cut(name: str) -> None:
    codec, stream, expected = CASES[name]
    assert all_of(codec.decoder(), stream) == expected
    assert all_of(codec.decoder(), *(stream[i : i + 1] for i in range(len(stream)))) == expected
    for cut in range(len(stream)):
        assert all_of(codec.decoder(), stream[:cut], stream[cut:]) == expected


@given(st.lists(st.text("ab\r", max_size=6).map(str.encode), max_size=8), st.integers(1, 5), st.booleans())
def test_it_is_what_a_delimiter_would_have_made_of_it(lines: list[bytes], longest: int, fast: bool) -> None:
    stream = b"\n".join(lines)
    pieces = [bytes(piece) for _, piece in itertools.groupby(stream, key=lambda byte: byte % 3)]
    ended = b"" if not lines or not lines[-1] else b"\n"
    found = all_of(line(longest, fail_fast=fast).decoder(), *pieces)
    assert found == all_of(LineCodec(longest, fail_fast=fast).decoder(), stream + ended)


class Lines(FrameHandler[Any]):
    def __init__(self, codec: Any = None, on_frame: Callable[..., Any] = lambda conn, frame: None) -> None:
        super().__init__(codec or line())
        self.told: list[object] = []
        self.act = on_frame

    def on_frame(self, conn: Conn, frame: bytes) -> Action | None:
        self.told.append(frame)
        result: Action | None = self.act(conn, frame)
        return result

    def on_frame_error(self, conn: Conn, error: FrameError) -> Action | None:
        self.told.append(type(error))
        return Action.CLOSE

    def on_error(self, conn: Conn, error: Exception) -> None:
        self.told.append(type(error))

    def on_close(self, conn: Conn, error: Exception | None) -> None:
        self.told.append(error if error is None else type(error))


def test_a_handler_is_given_it_before_the_end(world: World) -> None:
    handler = Lines(on_frame=lambda conn, frame: handler.send_frame(conn, frame) and None)
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"one\ntw")
    fake.feed(conn, b"o")
    fake.sockets.feed_eof(conn.fd)
    fake.turns(2)
    assert handler.told == [b"one", b"two", None]
    assert fake.sent(conn) == b"one\ntwo\n"


def test_who_has_not_asked_is_not_given_it(world: World) -> None:
    handler = Lines(LineCodec(20))
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"one\ntwo")
    fake.sockets.feed_eof(conn.fd)
    fake.turns(2)
    assert handler.told == [b"one", None]


@pytest.mark.parametrize("fast", [False, True])
def test_a_line_that_is_too_long_is_told_once(world: World, fast: bool) -> None:
    handler = Lines(line(4, fail_fast=fast))
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"one\nhello")
    fake.sockets.feed_eof(conn.fd)
    fake.turns(2)
    assert handler.told == [b"one", TooLongFrameError, None]


def test_who_has_ended_his_own_side_is_given_it(world: World) -> None:
    """The peer's FIN is then the end of the connection, and not only of what comes."""
    handler = Lines(on_frame=lambda conn, frame: conn.pause_reading())
    fake = world(handler)
    conn = fake.connect()
    conn.shutdown_write()
    fake.turns()
    fake.feed(conn, b"two")
    fake.sockets.feed_eof(conn.fd)
    fake.turns(2)
    assert handler.told == [b"two", None]


def test_frames_behind_an_exception_come_before_such_an_end(world: World) -> None:
    def fail_once(conn: Conn, frame: bytes) -> None:
        if frame == b"one":
            raise LookupError("on purpose")

    handler = Lines(on_frame=fail_once)
    handler.on_error = lambda conn, error: Action.NONE  # type: ignore[assignment,method-assign,return-value]
    fake = world(handler)
    conn = fake.connect()
    conn.shutdown_write()
    fake.turns()
    fake.sockets.feed(conn.fd, b"one\ntwo\nthree")
    fake.sockets.feed_eof(conn.fd)
    fake.turns(3)
    assert handler.told == [b"one", b"two", b"three", None]


def test_a_stream_that_breaks_off_ends_no_line(world: World) -> None:
    handler = Lines()
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"one\ntwo")
    fake.sockets.feed_error(conn.fd, errno.ECONNRESET)
    fake.turns(2)
    assert handler.told == [b"one", ConnectionResetError]


def test_nor_does_an_end_of_this_side(world: World) -> None:
    handler = Lines()
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"one\ntwo")
    conn.close()
    fake.sockets.feed_eof(conn.fd)
    fake.turns(2)
    assert handler.told == [b"one", None]


def test_a_pause_by_it_holds_the_end(world: World) -> None:
    """As it does by any other frame: who answers later has the connection to answer on."""
    handler = Lines(on_frame=lambda conn, frame: conn.pause_reading())
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"one")
    fake.sockets.feed_eof(conn.fd)
    fake.turns(3)
    assert handler.told == [b"one"] and not conn.closed
    conn.resume_reading()
    conn.pause_reading()  # before it could go on
    fake.turns(2)
    assert not conn.closed
    conn.write(b"late\n")
    conn.resume_reading()
    fake.turns(3)
    assert handler.told == [b"one", None]
    assert fake.sent(conn) == b"late\n"


def test_frames_of_a_pause_come_before_it(world: World) -> None:
    handler = Lines(on_frame=lambda conn, frame: conn.pause_reading())
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"one\ntwo\nthree")
    fake.sockets.feed_eof(conn.fd)
    for expected in ([b"one"], [b"one", b"two"], [b"one", b"two", b"three"]):
        fake.turns(3)
        assert handler.told == expected
        conn.resume_reading()
    fake.turns(3)
    assert handler.told == [b"one", b"two", b"three", None]


def test_an_exception_for_it_does_not_hold_the_end(world: World) -> None:
    def fail(conn: Conn, frame: bytes) -> None:
        raise LookupError("on purpose")

    handler = Lines(on_frame=fail)
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"one")
    fake.sockets.feed_eof(conn.fd)
    fake.turns(4)
    assert handler.told == [b"one", LookupError, None]


def test_a_handler_of_ones_own_asks_this_class(world: World) -> None:
    class Own(Lines):
        def on_eof(self, conn: Conn) -> Action | None:
            self.told.append("eof")
            return super().on_eof(conn)

    handler = Own()
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"one")
    fake.sockets.feed_eof(conn.fd)
    fake.turns(2)
    assert handler.told == ["eof", b"one", None]


class OldDecoder:
    """Has just what a codec's user has always called."""

    def __init__(self) -> None:
        self.held = b""

    def feed(self, data: bytes) -> None:
        self.held += data

    def next_frame(self) -> bytes | None:
        if b"\n" not in self.held:
            return None
        frame, _, self.held = self.held.partition(b"\n")
        return frame


class OldCodec:
    def decoder(self) -> Any:
        return OldDecoder()

    def encode(self, payload: bytes) -> bytes:
        return payload + b"\n"


def test_a_decoder_that_knows_nothing_of_it(world: World) -> None:
    handler = Lines(OldCodec())
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"one\ntwo")
    fake.sockets.feed_eof(conn.fd)
    fake.turns(2)
    assert handler.told == [b"one", None]


def test_a_datagram_ends_its_last_line(serve: Callable[..., Any]) -> None:
    handler = Lines(on_frame=lambda conn, frame: handler.send_frame(conn, frame) and None)
    engine = serve(handler, "udp://127.0.0.1:0")
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(30)
        sock.sendto(b"one\ntwo", (engine.addresses[0].host, engine.addresses[0].port))
        assert [sock.recv(10), sock.recv(10)] == [b"one\n", b"two\n"]


class Collector(AsyncHandler):
    def __init__(self, codec: Any = None) -> None:
        self.codec = codec or line()

    async def serve(self, stream: Any) -> None:
        frames = [frame async for frame in stream.frames(self.codec)]
        stream.write(repr(frames).encode())


@pytest.mark.parametrize(
    ("codec", "expected"),
    [(line(), b"[b'one', b'two']"), (LineCodec(20), b"[b'one']"), (OldCodec(), b"[b'one']")],
    ids=["asked for", "not asked for", "unknown"],
)
def test_a_coroutine_is_given_it(serve: Any, dial: Any, receive: Any, codec: Any, expected: bytes) -> None:
    sock = dial(serve(Collector(codec)))
    sock.sendall(b"one\ntwo")
    sock.shutdown(socket.SHUT_WR)
    assert receive(sock, len(expected)) == expected


def test_a_coroutine_whose_side_ends_is_not(serve: Any, dial: Any) -> None:
    done: list[Any] = []

    class Closing(AsyncHandler):
        async def serve(self, stream: Any) -> None:
            async for frame in stream.frames(line()):
                done.append(frame)
                stream.close()
            done.append("over")

    handler = Closing()
    engine = serve(handler)
    sock = dial(engine)
    sock.sendall(b"one\ntwo")
    assert sock.recv(1) == b""
    sock.close()
    assert engine.stop(30)
    assert done == [b"one", "over"]


@pytest.mark.parametrize("orderly", [True, False])
def test_a_truncated_end_of_tls_ends_no_line(serve: Any, dial: Any, pki: Any, orderly: bool) -> None:
    handler = Lines()
    engine = serve(
        handler, "tls://127.0.0.1:0", tls=server_context(pki.path("server.pem"), pki.path("server.key"))
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    sock = context.wrap_socket(dial(engine))
    sock.sendall(b"one\ntwo")
    if orderly:
        sock.unwrap()
    with socket.socket(fileno=sock.detach()) as raw:
        raw.shutdown(socket.SHUT_WR)
        assert engine.drain(30)
    assert handler.told == ([b"one", b"two", None] if orderly else [b"one", TlsTruncatedError])
