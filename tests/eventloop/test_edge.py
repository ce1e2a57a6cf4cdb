"""Edge-triggered: everything is drained, neighbours are not starved, nothing is lost."""

from __future__ import annotations

import os
import threading

import pytest

from netcore import Engine, EventHandler, Options, OptionsError
from netcore.connection import Limits
from netcore.poll import open_poller


def test_options():
    assert Options().edge_triggered_chunk == 0
    assert Options(edge_triggered=True).edge_triggered_chunk == 1 << 20
    assert Options(edge_triggered_chunk=1000).edge_triggered_chunk == 1024
    assert Options(edge_triggered_chunk=1000).edge_triggered is True
    assert Options().replace(edge_triggered=True).edge_triggered_chunk == 1 << 20


def test_a_poller_without_edges_is_refused():
    engine = Engine(EventHandler(), "tcp://127.0.0.1:0", poller="select", edge_triggered=True)
    with pytest.raises(OptionsError, match="select"):
        engine.start()


def test_one_edge_drains_everything_and_the_fin(world):
    w = world(limits=Limits(edge_chunk=1 << 20))
    conn = w.connect()
    for i in range(5):
        w.sockets.feed(conn.fd, bytes([i]) * 60_000)
    w.sockets.feed_eof(conn.fd)
    w.loop.turn()
    assert w.handler.received() == b"".join(bytes([i]) * 60_000 for i in range(5))
    assert w.handler.names(conn)[-2:] == ["on_eof", "on_close"]


def test_the_chunk_gives_the_neighbours_their_turn(world):
    w = world(limits=Limits(edge_chunk=1 << 17))
    greedy, modest = w.connect(), w.connect()
    for _ in range(10):
        w.sockets.feed(greedy.fd, b"g" * 65536)
    w.sockets.feed(modest.fd, b"m")
    w.loop.turn()
    assert [event.conn for event in w.handler.events if event.name == "on_traffic"].count(greedy) == 2
    assert modest in {event.conn for event in w.handler.events if event.name == "on_traffic"}
    for _ in range(6):
        w.turns()
    assert w.handler.received().count(b"g") == 655_360


def test_a_backlog_is_sent_to_its_end_with_few_edges(world):
    w = world(limits=Limits(edge_chunk=1 << 20, write_cap=1000))
    conn = w.connect()
    w.sockets.block(conn.fd)
    conn.write(b"x" * 10_000)
    w.turns(2)
    w.sockets.unblock(conn.fd)
    w.turns(15)
    assert len(w.sent(conn)) == 10_000
    assert conn.outbound_buffered == 0


def test_pause_and_resume(world):
    w = world(limits=Limits(edge_chunk=1 << 20))
    conn = w.connect()
    conn.pause_reading()
    w.turns()
    w.sockets.feed(conn.fd, b"waiting")
    w.turns(2)
    assert w.handler.received() == b""
    conn.resume_reading()
    w.turns(2)
    assert w.handler.received() == b"waiting"


def default_poller_has_edges():
    poller = open_poller()
    poller.close()
    return poller.supports_edge


@pytest.mark.skipif(not default_poller_has_edges(), reason="the default poller has no edges")
@pytest.mark.parametrize("chunk", [0, 65536, 1 << 18])
def test_echo_over_real_sockets(serve, dial, receive, chunk):
    handler = EventHandler()
    handler.on_traffic = lambda conn: conn.write(conn.read()) and None
    engine = serve(handler, edge_triggered=True, edge_triggered_chunk=chunk, num_event_loops=2)
    for size in (1, 100_000, 8 << 20):
        sock = dial(engine)
        data = os.urandom(size)
        threading.Thread(target=sock.sendall, args=(data,)).start()
        assert receive(sock, size) == data
