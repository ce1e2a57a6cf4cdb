"""Signals end ``netcore run`` gracefully, with exit status 0."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

pytestmark = pytest.mark.wine("no Ctrl+Break without a console")

# On Windows the one that a process can be sent by another.
NUMBERS = [signal.CTRL_BREAK_EVENT] if sys.platform == "win32" else [signal.SIGINT, signal.SIGTERM]

ANY_PORT = "tcp://127.0.0.1:0"

Serve = Callable[..., AbstractContextManager[Any]]
Receive = Callable[[socket.socket, int], bytes]

FLOOD = """
import logging
import netcore

class Flood(netcore.EventHandler):
    def on_open(self, conn):
        conn.write(bytes(1 << 25))
        logging.info("flooded")

    def on_shutdown(self, engine):
        logging.info("shut down")
"""


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_stops_an_idle_server(served: Serve, number: signal.Signals) -> None:
    with served("app:Echo", ANY_PORT) as server:
        server.signal(number)
        assert server.wait() == 0
        assert "Traceback" not in "".join(server.log)


@pytest.mark.parametrize("number", NUMBERS)
def test_connections_are_closed_orderly(served: Serve, receive: Receive, number: signal.Signals) -> None:
    with served("app:Echo", ANY_PORT) as server, server.dial() as sock:
        sock.sendall(b"hello")
        assert receive(sock, 5) == b"hello"
        server.signal(number)
        assert sock.recv(1) == b""
        assert server.wait() == 0


def test_the_second_signal_does_not_wait_for_a_peer_that_does_not_read(served: Serve) -> None:
    with served("app:Flood", ANY_PORT, app=FLOOD) as server, server.dial():
        while "flooded" not in server.read_log():
            pass
        server.signal(NUMBERS[-1])
        server.signal(NUMBERS[0])
        assert server.wait() == 0
        assert any("shut down" in line for line in server.log)
