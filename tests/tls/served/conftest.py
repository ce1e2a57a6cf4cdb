"""Engines that speak TLS, and clients of theirs."""

from __future__ import annotations

import socket
import time

import pytest

from netcore.testing import RecordingHandler

PATIENCE = 30


@pytest.fixture
def eventually():
    """Waits for a condition."""

    def wait(condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "it has not come to that"
            time.sleep(0.001)

    return wait


@pytest.fixture
def engine(serve, tls):
    """Starts an engine that echoes over TLS: ``engine(**options)``; it has ``recorded``, its handler."""

    def start(*addresses, context=None, handler=None, **options):
        handler = handler or RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)
        begins = not addresses or any("tls" in address for address in addresses)
        secured = {"tls": context or tls.server_context()} if begins else {}
        made = serve(
            handler,
            *(addresses or ("tls://127.0.0.1:0",)),
            **(secured | options),
        )
        made.recorded = handler
        return made

    return start


@pytest.fixture
def connect(tls):
    """Connects Python's client to an engine."""
    made = []

    def start(engine, context=None, name="server.example"):
        sock = socket.create_connection(("127.0.0.1", engine.addresses[0].port), timeout=PATIENCE)
        made.append(sock)
        secured = (context or tls.client_context()).wrap_socket(
            sock, server_hostname=name, suppress_ragged_eofs=False
        )
        made.append(secured)
        return secured

    yield start
    for sock in made:
        sock.close()
