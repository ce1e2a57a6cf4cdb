"""With TLS a connection counts the bytes of the wire, from the first of the handshake on."""

from __future__ import annotations

import queue

import pytest

from netcore.testing import RecordingHandler

PATIENCE = 30


@pytest.mark.parametrize("way", ["tls", "start_tls"])
def test_they_are_those_of_the_wire(engine, connect, tls, receive, way):
    ended = queue.SimpleQueue()
    handler = RecordingHandler(
        on_traffic=lambda conn: conn.write(conn.read()) and None,
        on_close=lambda conn, error: ended.put((conn.bytes_received, conn.bytes_sent)),
    )
    if way == "start_tls":
        handler.on_open = lambda conn: conn.start_tls(tls.server_context())
    served = engine("tls://127.0.0.1:0" if way == "tls" else "tcp://127.0.0.1:0", handler=handler)
    sock = connect(served)
    sock.sendall(bytes(1000))
    assert len(receive(sock, 1000)) == 1000
    sock.close()
    received, sent = ended.get(timeout=PATIENCE)
    metrics = served.metrics()
    assert (received, sent) == (metrics.bytes_received, metrics.bytes_sent)
    assert 1000 < received < 10_000 and 1000 < sent < 10_000
