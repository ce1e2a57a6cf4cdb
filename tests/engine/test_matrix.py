"""Every way of serving, with every way of writing, over every kind of stream: what comes is what goes."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from netcore.testing import RecordingHandler

CLIENTS = 4
ROUNDS = 3

MODES = {
    "level": {},
    "edge": {"edge_triggered": True},
    "edge-chunk": {"edge_triggered_chunk": 1024},
    "reuse-port": {"reuse_port": True},
}

LOOPS = {
    "one": {},
    "round-robin": {"num_event_loops": 2, "load_balancer": "round-robin"},
    "least-connections": {"num_event_loops": 2, "load_balancer": "least-connections"},
    "source-address-hash": {"num_event_loops": 2, "load_balancer": "source-address-hash"},
}


def halves(data):
    return data[: len(data) // 2], bytearray(data[len(data) // 2 :])


WAYS = {
    "write": lambda conn, data: conn.write(data),
    "writev": lambda conn, data: conn.writev(halves(data)),
    "async_write": lambda conn, data: conn.async_write(data),
    "async_writev": lambda conn, data: conn.async_writev(halves(data)),
}


@pytest.mark.parametrize("scheme", ["tcp", pytest.param("unix", marks=pytest.mark.unix_sockets)])
@pytest.mark.parametrize("loops", LOOPS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
def test_each_client_gets_back_what_it_sent(serve, dial, receive, tmp_path, way, mode, loops, scheme):
    def on_traffic(conn):
        WAYS[way](conn, conn.read())

    handler = RecordingHandler(on_open=lambda conn: conn.write(b"sweet") and None, on_traffic=on_traffic)
    address = "tcp://127.0.0.1:0" if scheme == "tcp" else f"unix://{tmp_path}/x.sock"
    engine = serve(handler, address, **MODES[mode], **LOOPS[loops])
    rng = random.Random(f"{way} {mode} {loops} {scheme}")
    clients = [dial(engine) for _ in range(CLIENTS)]
    for sock in clients:
        assert receive(sock, 5) == b"sweet"
    for _ in range(ROUNDS):
        sent = [rng.randbytes(rng.randrange(1, 10_000)) for _ in clients]
        for sock, data in zip(clients, sent, strict=True):
            sock.sendall(data)
        for sock, data in zip(clients, sent, strict=True):
            assert receive(sock, len(data)) == data
    spread = Counter(event.conn.loop.index for event in handler.events if event.name == "on_open")
    if mode != "reuse-port" and loops in ("round-robin", "least-connections"):
        assert spread == {0: 2, 1: 2}
    if loops == "source-address-hash" and mode != "reuse-port":
        assert len(spread) == 1
    for sock in clients:
        sock.close()
    handler.wait_for("on_close", CLIENTS)
    assert handler.details("on_close") == [None] * CLIENTS
