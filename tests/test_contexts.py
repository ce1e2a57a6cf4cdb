"""Handlers and connections are generic in the context, which makes no difference to what runs."""

from __future__ import annotations

import socket

import pytest

import netcore
from netcore import Conn, EventHandler
from netcore.codec import FrameHandler, LineCodec
from netcore.codec import frame_handler as in_python


class Echo(EventHandler[bytes]):
    def on_open(self, conn: Conn[bytes]) -> None:
        conn.context = b"mine: "

    def on_traffic(self, conn: Conn[bytes]) -> None:
        conn.write(conn.context + conn.read())


class Lines(FrameHandler[bytes]):
    def on_open(self, conn: Conn[bytes]) -> None:
        conn.context = b"mine: "

    def on_frame(self, conn: Conn[bytes], frame: bytes) -> None:
        self.send_frame(conn, conn.context + frame)


class LinesInPython(in_python.FrameHandler[bytes]):
    on_open = Lines.on_open
    on_frame = Lines.on_frame


@pytest.mark.parametrize("handler", [Echo(), Lines(LineCodec(100)), LinesInPython(LineCodec(100))])
def test_a_handler_of_one_context_serves(handler: EventHandler[bytes]) -> None:
    with netcore.Engine(handler, "tcp://127.0.0.1:0") as engine:
        port = engine.addresses[0].port
        with socket.create_connection(("127.0.0.1", port), timeout=30) as sock, sock.makefile("rb") as file:
            sock.sendall(b"hello\n")
            assert file.readline() == b"mine: hello\n"
