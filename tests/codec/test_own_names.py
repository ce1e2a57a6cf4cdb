"""A handler of a user's may call its own attributes what it likes: none of netcore's are in their way."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from netcore import Engine, EventHandler
from netcore._native import COLD
from netcore.aio import AsyncHandler
from netcore.codec import Decoder, FrameHandler, LineCodec
from netcore.codec import frame_handler as cold

OURS = [EventHandler, AsyncHandler, Decoder, FrameHandler, cold.FrameHandler]


def names_of(thing: object) -> set[str]:
    return {name for name in (*dir(thing), *getattr(thing, "__dict__", ())) if not name.startswith("__")}


@pytest.mark.parametrize("base", OURS, ids=lambda base: f"{base.__module__}.{base.__qualname__}")
def test_what_is_not_public_begins_like_nothing_of_a_users(base: type) -> None:
    names = names_of(base)
    if base not in (Decoder,):
        names |= names_of(base(LineCodec(10)) if issubclass(base, cold.FrameHandler) else base())
    of_python = ("_is_protocol", "_abc_")
    assert [
        name for name in sorted(names) if name[0] == "_" and not name.startswith(("_nc_", *of_python))
    ] == []


@pytest.mark.parametrize("side", ["hot", "cold"])
def test_frames_are_served_by_a_handler_with_names_of_its_own(side: str) -> None:
    if side == "hot" and COLD:
        pytest.skip(COLD)
    base: Any = FrameHandler if side == "hot" else cold.FrameHandler

    class Chat(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(LineCodec(1000))
            self._sessions = self._codec = self._torn = self._streams = None

        def on_frame(self, conn: Any, frame: bytes) -> None:
            self._deliver(conn, frame)

        def _deliver(self, conn: Any, text: bytes) -> None:
            self.send_frame(conn, text.upper())

        def _begin(self) -> None: ...
        def _check(self) -> None: ...
        def _complete(self) -> None: ...
        def _end(self) -> None: ...
        def _ends(self) -> None: ...
        def _go_on(self) -> None: ...
        def _hand_out(self) -> None: ...
        def _join(self) -> None: ...
        def _settle(self) -> None: ...

    with Engine(Chat(), "tcp://127.0.0.1:0") as engine:
        address = (engine.addresses[0].host, engine.addresses[0].port)
        with socket.create_connection(address, timeout=30) as sock, sock.makefile("rb") as lines:
            for piece in (b"one\ntwo\nth", b"ree\n"):
                sock.sendall(piece)
            assert [lines.readline() for _ in range(3)] == [b"ONE\n", b"TWO\n", b"THREE\n"]
