"""The whole of netcore at work: an echo through an engine, over each poller."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator

from netcore.cli.findings import Finding, fail, ok
from netcore.engine import Engine
from netcore.handler import Conn, EventHandler
from netcore.poll import available

__all__ = ["probe_echo"]

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


def _round_trip(poller: str) -> float:
    """Returns the seconds from the connect to the complete echo.

    Raises:
        Exception: Anything that goes wrong.
    """
    logger = logging.Logger("netcore.doctor")  # nobody's child: the report is the only output
    logger.addHandler(logging.NullHandler())
    engine = Engine(_Echo(), "tcp://127.0.0.1:0", poller=poller, logger=logger, shutdown_timeout=1)
    engine.start()
    try:
        started = time.perf_counter()
        with socket.create_connection(("127.0.0.1", engine.addresses[0].port), _PATIENCE) as peer:
            peer.sendall(_MESSAGE)
            _expect(peer)
        elapsed = time.perf_counter() - started
    finally:
        ended = engine.stop(_PATIENCE)
    if not ended:
        raise TimeoutError("the engine does not end")
    return elapsed


def _expect(peer: socket.socket) -> None:
    received = b""
    while len(received) < len(_MESSAGE):
        data = peer.recv(len(_MESSAGE))
        if not data:
            raise EOFError(f"the connection ended after {len(received)} of {len(_MESSAGE)} bytes")
        received += data
    if received != _MESSAGE:
        raise ValueError("other bytes came back than were sent")
