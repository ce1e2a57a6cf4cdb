"""A loop sleeps while nothing has happened that anybody wanted, whatever the peer of a connection does."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from netcore import Conn, Engine, EventHandler
from netcore.testing.conformance import wires

A_WHILE = 0.1
"""Seconds in which a loop that spins takes thousands of turns."""

TURNS = 50
"""What it may take all the same: wake-ups, timers, what is told once."""


class Holding(EventHandler):
    """Answers with more than the peer takes, or stops reading, or both."""

    def __init__(self, paused: bool, owing: bool) -> None:
        self.paused = paused
        self.owing = owing

    def on_traffic(self, conn: Conn) -> None:
        conn.read()
        if self.paused:
            conn.pause_reading()
        if self.owing:
            conn.write(bytes(16 << 20))


def nothing(sock: socket.socket) -> None:
    pass


def send(sock: socket.socket) -> None:
    sock.send(b"unasked")


def send_urgent(sock: socket.socket) -> None:
    sock.send(b"!", socket.MSG_OOB)


def half_close(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_WR)


def send_and_half_close(sock: socket.socket) -> None:
    sock.send(b"the last")
    sock.shutdown(socket.SHUT_WR)


EVENTS = (nothing, send, send_urgent, half_close, send_and_half_close, wires.reset)


def turns_while(engine: Engine, act: Callable[[], object]) -> int:
    time.sleep(A_WHILE)  # what it is busy with comes to its end
    act()
    time.sleep(A_WHILE)
    before = engine.metrics().turns
    time.sleep(A_WHILE)
    return engine.metrics().turns - before


@pytest.mark.parametrize("edge", [False, True], ids=["level", "edge"])
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
@pytest.mark.parametrize(
    ("paused", "owing"), [(True, False), (False, True), (True, True)], ids=["paused", "owing", "both"]
)
def test_a_connection_that_waits_costs_no_turns(
    serve: Callable[..., Engine],
    dial: Callable[..., socket.socket],
    paused: bool,
    owing: bool,
    event: Callable[[socket.socket], object],
    edge: bool,
) -> None:
    engine = serve(Holding(paused, owing), edge_triggered=edge)
    sock = dial(engine)
    sock.sendall(b"x")
    assert turns_while(engine, lambda: event(sock)) < TURNS


@pytest.mark.unix_sockets
@pytest.mark.parametrize("event", [half_close, send_and_half_close, socket.socket.close])
@pytest.mark.parametrize(
    ("paused", "owing"), [(True, False), (False, True), (True, True)], ids=["paused", "owing", "both"]
)
def test_a_unix_connection_that_waits_costs_no_turns(
    serve: Callable[..., Engine],
    dial: Callable[..., socket.socket],
    tmp_path: Path,
    paused: bool,
    owing: bool,
    event: Callable[[socket.socket], object],
) -> None:
    engine = serve(Holding(paused, owing), f"unix://{tmp_path}/s")
    sock = dial(engine)
    sock.sendall(b"x")
    assert turns_while(engine, lambda: event(sock)) < TURNS


def test_a_lingering_connection_costs_no_turns(
    serve: Callable[..., Engine], dial: Callable[..., socket.socket]
) -> None:
    class Leaving(EventHandler):
        def on_open(self, conn: Conn) -> None:
            conn.pause_reading()

    engine = serve(Leaving())
    sock = dial(engine)
    sock.sendall(b"unread")
    while not (conns := engine.connections()):
        time.sleep(0.001)
    conns[0].close()
    assert turns_while(engine, lambda: None) < TURNS


@pytest.mark.parametrize("paused", [True, False], ids=["paused", "reading"])
def test_a_datagram_connection_whose_peer_is_gone_costs_no_turns(
    serve: Callable[..., Engine], paused: bool
) -> None:
    class Writing(EventHandler):
        def on_open(self, conn: Conn) -> None:
            if paused:
                conn.pause_reading()
            conn.write(b"anybody?")

        def on_error(self, conn: Conn | None, error: BaseException) -> None:
            """An ICMP error is no end."""

    engine = serve(Writing())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        address = f"udp://127.0.0.1:{gone.getsockname()[1]}"
    engine.dial(address).result(30)
    assert turns_while(engine, lambda: None) < TURNS
