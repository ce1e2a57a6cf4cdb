"""The server matrix: how readiness is asked for, how answers are written, and on how many loops."""

from __future__ import annotations

import os
import threading

import pytest

from netcore.testing import RecordingHandler

_ROUNDS, _PEERS = 8, 6


def sync(conn, data):
    conn.write(data)


def writev(conn, data):
    middle = len(data) // 2
    conn.writev([data[:middle], data[middle:]])


def from_thread(call):
    """Makes an answer that another thread gives."""

    def answer(conn, data):
        threading.Thread(target=call, args=(conn, data)).start()

    return answer


WRITES = {
    "sync": sync,
    "writev": writev,
    "async": from_thread(lambda conn, data: conn.async_write(data)),
    "async-writev": from_thread(lambda conn, data: conn.async_writev([data[:1], data[1:]])),
}
MODES = {
    "level": {},
    "edge": {"edge_triggered": True},
    "edge-chunk": {"edge_triggered_chunk": 4096},
    "reuse-port": {"reuse_port": True},
}


@pytest.mark.parametrize("loops", [1, 3])
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("mode", MODES)
def test_every_datagram_comes_back_to_its_sender(serve, peer, request, mode, write, loops):
    if mode.startswith("edge"):
        request.getfixturevalue("edges")
    handler = RecordingHandler(on_traffic=lambda conn: WRITES[write](conn, conn.read()))
    engine = serve(handler, "udp://127.0.0.1:0", num_event_loops=loops, **MODES[mode])
    peers = [peer(engine) for _ in range(_PEERS)]
    for turn in range(_ROUNDS):
        sent = [os.urandom(1 + turn * 700) + bytes([number]) for number in range(_PEERS)]
        for one, data in zip(peers, sent, strict=True):
            one.send(data)
        assert [one.receive() for one in peers] == sent
    assert handler.names().count("on_traffic") == _ROUNDS * _PEERS
    assert {"on_open", "on_close", "on_error"}.isdisjoint(handler.names())
