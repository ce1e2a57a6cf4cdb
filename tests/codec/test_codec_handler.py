"""FrameHandler over fakes: batches, pauses, ends, mistakes."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import Any

import pytest

from netcore import Action, CloseReason, Conn, CorruptedFrameError, FrameError, TooLongFrameError
from netcore.codec import Codec, FrameHandler, LengthFieldCodec, LineCodec
from netcore.handler import EventHandler

World = Callable[..., Any]


class Frames(FrameHandler):
    """Remembers its frames and answers each; does what a frame says."""

    def __init__(self, codec: Codec | None = None, **actions: Callable[[Conn], Action | None]) -> None:
        super().__init__(codec or LineCodec(20, fail_fast=True))
        self.frames: list[bytes] = []
        self.errors: list[Exception] = []
        self.actions = actions

    def on_frame(self, conn: Conn, frame: bytes) -> Action | None:
        self.frames.append(frame)
        if not conn.closed:
            self.send_frame(conn, b"re:" + frame)
        action = self.actions.get(frame.decode())
        return None if action is None else action(conn)

    def on_close(self, conn: Conn, error: Exception | None) -> None:
        """Deliberately without the base class."""


class Lenient(Frames):
    def on_frame_error(self, conn: Conn, error: FrameError) -> None:
        self.errors.append(error)

    def on_error(self, conn: Conn, error: Exception) -> None:
        self.errors.append(error)


def pause(conn: Conn) -> None:
    conn.pause_reading()


def test_frames_of_a_read_are_handled_in_one_turn_and_answered_in_one_send(
    world: World, half: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = Frames()
    fake = world(handler)
    conn = fake.connect()
    batches: list[list[int]] = []
    send = fake.sockets.send
    monkeypatch.setattr(fake.sockets, "send", lambda fds, chunks: batches.append(fds[:]) or send(fds, chunks))
    fake.feed(conn, b"1\n2\n3\n" * 100 + b"4")
    assert handler.frames == [b"1", b"2", b"3"] * 100
    assert batches == [[conn.fd] * (300 if half == "python" else 1)]  # which C has joined
    assert fake.sent(conn) == b"re:1\nre:2\nre:3\n" * 100
    fake.feed(conn, b"2\n")
    assert handler.frames[300:] == [b"42"]


def test_frames_may_come_in_any_number_of_reads(world: World) -> None:
    handler = Frames(LengthFieldCodec(64, 0, 1, 0, 1))
    fake = world(handler)
    conns = [fake.connect(), fake.connect()]
    for byte in b"\3abc\0\2de":
        for conn in conns:
            fake.feed(conn, bytes([byte]))
    assert handler.frames == [b"abc", b"abc", b"", b"", b"de", b"de"]
    assert fake.sent(conns[0]) == fake.sent(conns[1]) == b"\6re:abc\3re:\5re:de"


def test_context_is_the_applications(world: World) -> None:
    fake = world(Frames())
    conn = fake.connect()
    conn.context = context = object()
    fake.feed(conn, b"1\n")
    assert conn.context is context


@pytest.mark.parametrize("action", [Action.CLOSE, Action.SHUTDOWN])
def test_an_action_ends_the_handling_of_later_frames(world: World, action: Action) -> None:
    handler = Frames(stop=lambda conn: action)
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"1\nstop\n2\n")
    fake.sockets.feed(conn.fd, b"3\n")
    fake.turns(3)
    assert handler.frames == [b"1", b"stop"]
    assert fake.sent(conn) == b"re:1\nre:stop\n"
    if action is Action.CLOSE:
        assert conn.close_reason is CloseReason.LOCAL


@pytest.mark.parametrize("end", [lambda conn: conn.close(), lambda conn: conn.abort()])
def test_a_callback_that_closes_gets_no_more_frames(world: World, end: Callable[[Conn], None]) -> None:
    handler = Frames(stop=end)
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"1\nstop\n2\nxxxxxxxxxxxxxxxxxxxxxxxxxx\n")
    fake.turns(3)
    assert handler.frames == [b"1", b"stop"]
    assert conn.closed


def test_frames_wait_while_the_connection_is_paused(world: World) -> None:
    handler = Frames(pause=pause)
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"1\npause\n2\npause\n3\n4")
    conn.wake()
    fake.turns(3)
    assert handler.frames == [b"1", b"pause"]
    conn.resume_reading()
    fake.turns(3)
    assert handler.frames == [b"1", b"pause", b"2", b"pause"]
    conn.resume_reading()
    fake.sockets.feed(conn.fd, b"4\n5\n")
    fake.turns(3)
    assert handler.frames == [b"1", b"pause", b"2", b"pause", b"3", b"44", b"5"]
    assert conn.inbound_buffered == 0


def test_a_pause_at_the_last_frame_loses_nothing(world: World) -> None:
    handler = Frames(pause=pause)
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"pause\n")
    conn.resume_reading()
    fake.turns(2)
    fake.feed(conn, b"1\n2")
    fake.feed(conn, b"2\n")
    assert handler.frames == [b"pause", b"1", b"22"]


def test_frames_that_waited_come_before_the_end_of_the_stream(world: World) -> None:
    handler = Frames(pause=pause)
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"pause\n1\npause\n2\n3")
    fake.sockets.feed_eof(conn.fd)
    for _ in range(2):
        fake.loop.execute(conn.resume_reading)
        fake.turns(3)
    assert handler.frames == [b"pause", b"1", b"pause", b"2"]
    assert conn.close_reason is CloseReason.EOF
    assert fake.sent(conn) == b"re:pause\nre:1\nre:pause\nre:2\n"


def test_a_pause_between_the_frames_before_the_end_of_the_stream(world: World) -> None:
    handler = Frames(pause=pause)
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"pause\n1\npause\n2\n")
    # Resumed behind the loop's back: the end of the stream comes before the wake-up.
    conn.set_paused(False)
    fake.sockets.feed_eof(conn.fd)
    fake.turns(3)
    assert handler.frames == [b"pause", b"1", b"pause"]
    assert not conn.closed
    conn.resume_reading()
    fake.turns(3)
    assert handler.frames == [b"pause", b"1", b"pause", b"2"]
    assert conn.close_reason is CloseReason.EOF


def test_a_broken_connection_delivers_although_it_is_paused(world: World) -> None:
    handler = Frames(pause=pause)
    fake = world(handler)
    conn = fake.connect()
    fake.sockets.script_sends(conn.fd, -32)
    fake.feed(conn, b"pause\n1\n")
    fake.sockets.feed(conn.fd, b"2\n")
    fake.sockets.feed_eof(conn.fd)
    fake.turns(4)
    assert handler.frames == [b"pause", b"1", b"2"]
    assert conn.close_reason is CloseReason.ERROR


def test_an_incomplete_frame_at_the_end_is_dropped(world: World) -> None:
    handler = Frames()
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"1\n2")
    fake.sockets.feed_eof(conn.fd)
    fake.turns(3)
    assert handler.frames == [b"1"]
    assert conn.close_reason is CloseReason.EOF


def test_a_bad_frame_closes(world: World) -> None:
    handler = Frames()
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"1\n" + b"x" * 30 + b"\n2\n")
    fake.turns(2)
    assert handler.frames == [b"1"]
    assert conn.close_reason is CloseReason.LOCAL
    assert fake.sent(conn) == b"re:1\n"


def test_a_bad_frame_can_be_passed_over(world: World) -> None:
    handler = Lenient()
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"1\n" + b"x" * 30 + b"\n" + b"y" * 30 + b"\n2\n")
    assert handler.frames == [b"1", b"2"]
    assert [type(error) for error in handler.errors] == [TooLongFrameError] * 2


def test_a_bad_frame_may_close_or_pause_in_its_callback(world: World) -> None:
    class Pausing(Lenient):
        def on_frame_error(self, conn: Conn, error: FrameError) -> None:
            super().on_frame_error(conn, error)
            conn.pause_reading()

    handler = Pausing(LengthFieldCodec(64, 0, 1, -1, 1))
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"\0\2a\3bc")
    assert [type(error) for error in handler.errors] == [CorruptedFrameError]
    assert handler.frames == []
    conn.resume_reading()
    fake.turns(2)
    assert handler.frames == [b"a", b"bc"]


def fail(conn: Conn) -> None:
    raise FrameError("of the handler's own making")


def test_an_exception_goes_to_on_error_and_closes(world: World, caplog: pytest.LogCaptureFixture) -> None:
    handler = Frames(fail=fail)
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"1\nfail\n2\n")
    fake.turns(3)
    assert handler.frames == [b"1", b"fail"]
    assert conn.closed
    assert "of the handler's own making" in caplog.text


def test_frames_after_an_exception_come_if_the_connection_goes_on(world: World) -> None:
    handler = Lenient(fail=fail)
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"1\nfail\n2\nfail\n3\n4")
    fake.turns(4)
    fake.feed(conn, b"4\n")
    assert handler.frames == [b"1", b"fail", b"2", b"fail", b"3", b"44"]
    assert [str(error) for error in handler.errors] == ["of the handler's own making"] * 2


def test_frames_after_an_exception_may_be_paused(world: World) -> None:
    handler = Lenient(fail=fail, pause=pause)
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"fail\npause\n1\n")
    fake.turns(3)
    assert handler.frames == [b"fail", b"pause"]
    conn.resume_reading()
    fake.turns(3)
    assert handler.frames == [b"fail", b"pause", b"1"]


def test_what_is_no_action_is_reported_and_holds_nothing_up(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Frames(odd=lambda conn: 2)  # type: ignore[arg-type,return-value]
    fake = world(handler)
    conn = fake.connect()
    with caplog.at_level(logging.ERROR):
        fake.feed(conn, b"odd\n1\n")
        fake.feed(conn, b"odd\nodd\n2\n")
        fake.feed(fake.connect(), b"odd\n")
    assert handler.frames == [b"odd", b"1", b"odd", b"odd", b"2", b"odd"]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"on_frame of connection {conn.id} returned 2, which is no Action")
    assert not conn.closed


def test_an_exception_in_on_frame_is_what_on_close_hears(world: World) -> None:
    handler = Frames(fail=fail)
    fake = world(handler)
    ends: list[tuple[object, object]] = []
    handler.on_close = lambda conn, error: ends.append((conn.close_reason, error))  # type: ignore
    fake.feed(fake.connect(), b"1\nfail\n2\n")
    fake.turns(3)
    assert handler.frames == [b"1", b"fail"]
    assert [(reason, type(error)) for reason, error in ends] == [(CloseReason.ERROR, FrameError)]


@pytest.mark.parametrize("codec", [LineCodec, None, "lines", object(), LineCodec(10).decoder()])
def test_what_is_no_codec_is_refused(codec: object) -> None:
    with pytest.raises(TypeError, match="needs a codec"):
        FrameHandler(codec)  # type: ignore[arg-type]


@pytest.mark.parametrize("base", [FrameHandler, Frames])
def test_nothing_is_kept_of_a_connection_that_is_gone(world: World, base: type[FrameHandler]) -> None:
    handler = FrameHandler(LineCodec(20)) if base is FrameHandler else Frames()
    fake = world(handler)
    for _ in range(10):
        conn = fake.connect()
        fake.feed(conn, b"1\n2")
        fake.sockets.feed_eof(conn.fd)
        fake.turns(3)
        assert conn.closed
    del conn
    gc.collect()
    assert not handler._nc_sessions


def test_a_decoder_needs_only_what_it_is_asked_for(world: World) -> None:
    class Bytewise:
        def __init__(self) -> None:
            self.bytes = b""

        def feed(self, data: bytes) -> None:
            self.bytes += data

        def next_frame(self) -> bytes | None:
            frame, self.bytes = self.bytes[:1], self.bytes[1:]
            if frame == b"!":
                raise CorruptedFrameError("an exclamation mark")
            return frame or None

        @property
        def pending(self) -> int:
            return len(self.bytes)

    class ByteCodec:
        def decoder(self) -> Bytewise:
            return Bytewise()

        def encode(self, payload: bytes) -> bytes:
            return payload

    handler = Lenient(ByteCodec(), p=pause)  # type: ignore[arg-type]
    fake = world(handler)
    conn = fake.connect()
    fake.feed(conn, b"a!bpc")
    assert handler.frames == [b"a", b"b", b"p"]
    conn.resume_reading()
    fake.turns(2)
    assert handler.frames == [b"a", b"b", b"p", b"c"]
    assert len(handler.errors) == 1


def test_sending_what_cannot_be_framed(world: World) -> None:
    handler = Frames()
    fake = world(handler)
    conn = fake.connect()
    assert handler.send_frame(conn, b"abc") == 4
    with pytest.raises(FrameError):
        handler.send_frame(conn, b"a\nb")
    fake.turns()
    assert fake.sent(conn) == b"abc\n"


def test_it_is_a_handler_that_does_nothing_by_itself(world: World) -> None:
    handler = FrameHandler(LineCodec(20))
    assert isinstance(handler, EventHandler)
    fake = world(handler)
    conn = fake.connect()
    conn.wake()
    fake.feed(conn, b"1\n")
    assert not conn.closed
