"""The whole of netcore at work: an echo through an engine, over each poller, and over KCP."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from netcore._native import COLD
from netcore.cli.findings import Finding, fail, ok
from netcore.engine import Client, Engine
from netcore.handler import Conn, EventHandler
from netcore.poll import available

__all__ = ["probe_echo", "probe_kcp"]

_PATIENCE = 5.0
"""Seconds until a missing answer, or an engine that does not end, counts as a failure."""

_MESSAGE = b"netcore doctor" * 100


class _Echo(EventHandler):
    def on_traffic(self, conn: Conn) -> None:
        conn.write(conn.read())


def probe_echo() -> Iterator[Finding]:
    """Reports for each poller that can be opened whether it serves."""
    for name in available():
        subject = f"echo over {name}"
        try:
            seconds = _round_trip(name)
        except Exception as error:
            yield fail(subject, f"{type(error).__name__}: {error}")
        else:
            yield ok(subject, f"{len(_MESSAGE)} bytes came back in {seconds * 1e3:.1f} ms")


def probe_kcp() -> Iterator[Finding]:
    """Reports which half the sessions of KCP have, and whether UDP passes on this machine."""
    try:
        seconds = _kcp_round_trip()
    except Exception as error:
        yield fail("KCP", f"{type(error).__name__}: {error}")
    else:
        half = "in Python" if COLD else "in C"
        yield ok("KCP", f"sessions {half}; {len(_MESSAGE)} bytes came back in {seconds * 1e3:.1f} ms")


def _round_trip(poller: str) -> float:
    """Returns the seconds from the connect to the complete echo.

    Raises:
        Exception: Anything that goes wrong.
    """
    with _serving("tcp://127.0.0.1:0", poller) as engine:
        started = time.perf_counter()
        with socket.create_connection(("127.0.0.1", engine.addresses[0].port), _PATIENCE) as peer:
            peer.sendall(_MESSAGE)
            _expect(peer)
        return time.perf_counter() - started


def _kcp_round_trip() -> float:
    """Returns the seconds from the dial to the complete echo.

    Raises:
        Exception: Anything that goes wrong.
    """
    asker = _Asker()
    with _serving("kcp://127.0.0.1:0") as engine:
        started = time.perf_counter()
        with Client(asker, logger=_silent()) as client:
            client.dial(engine.addresses[0], timeout=_PATIENCE)
            if not asker.has_all.wait(_PATIENCE):
                raise TimeoutError(f"{len(asker.received)} of {len(_MESSAGE)} bytes came back")
            elapsed = time.perf_counter() - started
    if asker.received != _MESSAGE:
        raise ValueError("other bytes came back than were sent")
    return elapsed


class _Asker(EventHandler):
    """Sends the message, and keeps what comes back."""

    def __init__(self) -> None:
        self.received = b""
        self.has_all = threading.Event()

    def on_open(self, conn: Conn) -> None:
        conn.write(_MESSAGE)

    def on_traffic(self, conn: Conn) -> None:
        self.received += conn.read()
        if len(self.received) >= len(_MESSAGE):
            self.has_all.set()


@contextmanager
def _serving(address: str, poller: str | None = None) -> Iterator[Engine]:
    """Runs an engine with an echo.

    Raises:
        TimeoutError: It does not end.
        Exception: Anything else that goes wrong.
    """
    engine = Engine(_Echo(), address, poller=poller, logger=_silent(), shutdown_timeout=1)
    engine.start()
    try:
        yield engine
    finally:
        ended = engine.stop(_PATIENCE)
    if not ended:
        raise TimeoutError("the engine does not end")


def _silent() -> logging.Logger:
    """Makes a logger that is nobody's child: the report is the only output."""
    logger = logging.Logger("netcore.doctor")
    logger.addHandler(logging.NullHandler())
    return logger


def _expect(peer: socket.socket) -> None:
    received = b""
    while len(received) < len(_MESSAGE):
        data = peer.recv(len(_MESSAGE))
        if not data:
            raise EOFError(f"the connection ended after {len(received)} of {len(_MESSAGE)} bytes")
        received += data
    if received != _MESSAGE:
        raise ValueError("other bytes came back than were sent")
