"""What of a FrameHandler is in C: that it is used, and leaves to Python what is not the usual case."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from netcore import Action, Conn
from netcore._native import COLD
from netcore.codec import Codec, DelimiterCodec, FixedLengthCodec, LengthFieldCodec, LineCodec
from netcore.codec.frame_handler import FrameHandler

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
    "fixed": lambda: FixedLengthCodec(7),
}


class Alone(HotFrameHandler):
    """An echo that counts what C leaves to Python."""

    def __init__(self, codec: Codec) -> None:
        super().__init__(codec)
        self.left = 0

    def on_frame(self, conn: Conn, frame: bytes) -> Action | None:
        self.send_frame(conn, frame)
        return None

    def _nc_python_on_traffic(self, conn: Conn) -> Action | None:
        self.left += 1
        return FrameHandler.on_traffic(self, conn)

    def _nc_python_send_frame(self, conn: Conn, payload: Any) -> int:
        self.left += 1
        return FrameHandler.send_frame(self, conn, payload)


@pytest.mark.parametrize("name", CODECS)
def test_whole_frames_are_left_to_c(peer: Connect, name: str) -> None:
    codec = CODECS[name]()
    handler = Alone(codec)
    here = peer(handler)
    batch = b"".join(codec.encode(b"%07d" % i) for i in range(100))
    decoder = codec.decoder()
    decoder.feed(batch)
    answer = b"".join(map(codec.encode, decoder.next_frames()))
    for _ in range(3):
        here.send(batch)
    assert here.received == 3 * answer
    assert handler.left == 0
    here.send(batch[:5])
    here.send(batch[5:])
    handler.left = 0
    here.send(batch)
    assert handler.left == 0  # what was cut has come to its end
    assert here.received == 5 * answer


@pytest.mark.parametrize("name", ["length", "line", "kept line", "fixed", "record"])
def test_what_completes_a_frame_is_left_to_c(peer: Connect, name: str) -> None:
    codec = DelimiterCodec(300, b";") if name == "record" else CODECS[name]()
    handler = Alone(codec)
    here = peer(handler)
    batch = b"".join(codec.encode(b"%07d" % i) for i in range(100))
    cuts = range(0, len(batch), len(batch) // 20 - 3)
    decoder = codec.decoder()
    heads_are_known = 0
    for at in cuts:
        piece = batch[at : at + cuts.step]
        known = decoder.missing >= 0
        heads_are_known += known
        handler.left = 0
        here.send(piece)
        assert (handler.left == 0) == known
        decoder.feed(piece)
        list(iter(decoder.next_frame, None))
    assert here.received == batch
    assert heads_are_known > 15


class Shouting(LineCodec):
    def encode(self, payload: Any) -> bytes:
        return super().encode(bytes(payload).upper())


@pytest.mark.parametrize("environment", ["pure", ""])
def test_what_c_does_not_know_is_left_to_python(
    peer: Connect, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    monkeypatch.setenv("NETCORE_CODEC", environment)
    codec = LineCodec(100) if environment else Shouting(100)
    handler = Alone(codec)
    here = peer(handler)
    here.send(b"a\nb\n")
    assert here.received == codec.encode(b"a") + codec.encode(b"b")
    assert handler.left == 3


def test_another_codec_serves_what_comes_next(peer: Connect) -> None:
    handler = Alone(LineCodec(100))
    here = peer(handler)
    here.send(b"line\n")
    handler.codec = DelimiterCodec(100, b";")
    here.send(b"a;b;")
    assert handler.left == 0
    assert here.received == b"line\na;b;"


def test_large_frames_go_the_way_of_large_writes(peer: Connect) -> None:
    codec = LengthFieldCodec(1 << 20, initial_bytes_to_strip=4)
    handler = Alone(codec)
    here = peer(handler)
    data = b"".join(codec.encode(b"x" * size) for size in (16_379, 16_380, 16_384, 100_000, 1))
    here.send(data)
    assert here.received == data


def test_arguments_may_be_named(peer: Connect) -> None:
    class Named(HotFrameHandler):
        def on_traffic(self, conn: Conn) -> Action | None:
            return super().on_traffic(conn=conn)

        def on_frame(self, conn: Conn, frame: bytes) -> Action | None:
            self.send_frame(payload=frame, conn=conn)
            return None

    here = peer(Named(LineCodec(100)))
    here.send(b"a\n")
    assert here.received == b"a\n"
    with pytest.raises(TypeError):
        here.handler.send_frame(here.conn)
    with pytest.raises(TypeError):
        here.handler.on_traffic()


def test_nothing_is_kept(peer: Connect) -> None:
    class Mixed(Alone):
        def on_frame(self, conn: Conn, frame: bytes) -> Action | None:
            super().on_frame(conn, frame)
            return Action.CLOSE if frame == b"close" else None

    handler = Mixed(LineCodec(100))
    here = peer(handler)
    here.send(b"a\nb\n" * 100 + b"cut")
    here.send(b" off\n")
    here.send(b"a\nclose\nnever\n")
    assert here.received.endswith(b"cut off\na\nclose\n")
    known = [weakref.ref(each) for each in (handler, here.conn, handler.codec)]
    here.close()
    here.handler = here.loop = here.conn = handler = None
    gc.collect()
    assert [each() for each in known] == [None] * 3


@pytest.mark.parametrize("addresses", [(object(), 0, 0, 0), (object(), 1, 1), (object(),)])
def test_a_layout_has_all_its_addresses(addresses: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="an address is missing"):
        HotFrameHandler(LineCodec(100))._nc_lay_out(*addresses)  # type: ignore[arg-type]


def test_a_handler_whose_init_was_not_called_has_no_codec() -> None:
    handler = HotFrameHandler.__new__(HotFrameHandler)
    assert getattr(handler, "codec", None) is None
    with pytest.raises(AttributeError):
        handler.send_frame(object(), b"")  # type: ignore[arg-type]
