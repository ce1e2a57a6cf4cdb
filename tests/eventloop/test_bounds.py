"""What a turn takes of anything of which there may be many, so that neighbours are served in each turn."""

from __future__ import annotations

import contextlib
import socket

import pytest

from netcore import Action, Address
from netcore.connection import Limits
from netcore.eventloop import Listener
from netcore.poll import Interest, columns_of
from netcore.poll.select import SelectPoller

LOCAL = Address("udp", "192.0.2.1", 9000)
EDGES = Limits(edge_chunk=1 << 20)


class Neighbour:
    """A stream that asks in each turn, and must be answered in each."""

    def __init__(self, w) -> None:
        self.w = w
        self.conn = w.connect()

    def turn(self) -> None:
        before = len(self.w.sent(self.conn))
        self.w.sockets.feed(self.conn.fd, b"?")
        self.w.loop.turn()
        assert len(self.w.sent(self.conn)) == before + 1


def answering(count):
    """Makes an ``on_traffic`` that answers streams, and counts what else comes."""

    def on_traffic(conn):
        if conn.network == "udp":
            count.append(conn.fd)
        elif conn.read() == b"?":
            conn.write(b"!")

    return on_traffic


@pytest.mark.parametrize("limits", [Limits(), EDGES])
@pytest.mark.parametrize("dialled", [False, True])
def test_empty_datagrams(world, limits, dialled):
    count = []
    w = world(limits=limits, on_traffic=answering(count))
    neighbour = Neighbour(w)
    if dialled:
        w.loop._hosted.establish_datagrams(60, socket.AF_INET, Address("udp", "192.0.2.9", 53), LOCAL, None)
    else:
        w.loop.listen_for_datagrams(60, socket.AF_INET, LOCAL)
        w.loop.start_accepting()
    for _ in range(3000):
        w.sockets.feed_datagram(60, b"")
    before = 0
    while len(count) < 3000:
        neighbour.turn()
        assert 0 < len(count) - before <= 256
        before = len(count)
    w.turns(3)
    assert w.loop.watchers.going_on == 0
    w.sockets.feed_datagram(60, b"once more")
    w.turns(2)
    assert len(count) == 3001


@pytest.mark.parametrize("limits", [Limits(), EDGES])
def test_many_datagram_sockets_share_a_turn(world, limits):
    count = []
    w = world(limits=limits, on_traffic=answering(count))
    neighbour = Neighbour(w)
    fds = range(1000, 1100)
    for fd in fds:
        w.loop.listen_for_datagrams(fd, socket.AF_INET, LOCAL)
    w.loop.start_accepting()
    for fd in fds:
        for _ in range(50):
            w.sockets.feed_datagram(fd, b"x")
    before = 0
    while len(count) < 5000:
        neighbour.turn()
        taken = count[before:]
        assert len(taken) <= 512
        if before + len(taken) < 4000:
            assert set(taken) == set(fds), "each has a part of each turn"
        before = len(count)


def test_timers_that_are_due_together(world):
    w = world(on_traffic=answering([]))
    neighbour = Neighbour(w)
    ran = []
    for i in range(5000):
        w.loop.schedule(1, ran.append, i)
    w.clock.advance(2)
    while len(ran) < 5000:
        before = len(ran)
        neighbour.turn()
        assert 0 < len(ran) - before <= 1024
    assert ran == list(range(5000))


def test_deadlines_that_are_met_together(world):
    w = world(on_timeout=lambda conn, kind: Action.CLOSE, on_traffic=answering([]))
    neighbour = Neighbour(w)
    conns = [w.connect() for _ in range(1000)]
    for conn in conns:
        conn.set_deadline(5)
    w.clock.advance(6)
    while any(not conn.closed for conn in conns):
        before = w.handler.names().count("on_timeout")
        neighbour.turn()
        assert 0 < w.handler.names().count("on_timeout") - before <= 256


def test_bytes_that_come_singly_with_edges(world):
    calls = []
    w = world(limits=EDGES, on_traffic=lambda conn: calls.append(conn.read()))
    conn, other = w.connect(), w.connect()
    for _ in range(5000):
        w.sockets.feed(conn.fd, b"x")
    while len(calls) < 5000:
        before = len(calls)
        w.loop.turn()
        assert 0 < len(calls) - before <= 1024
    w.feed(other, b"y")
    assert calls[-1] == b"y"


def test_connections_that_have_more_take_turns(world):
    w = world(limits=Limits(edge_chunk=16))
    conns = [w.connect() for _ in range(600)]
    w.handler.events.clear()
    for conn in conns:
        for _ in range(4):
            w.sockets.feed(conn.fd, b"x" * 16)
    served = 0
    while served < 2400:
        w.loop.turn()
        count = w.handler.names().count("on_traffic")
        assert 0 < count - served <= 512
        served = count


def test_consequences_of_consequences_end_with_the_turn(world):
    def on_close(conn, error):
        if conns:
            conns.pop().close()

    w = world(on_close=on_close, on_traffic=answering([]))
    neighbour = Neighbour(w)
    conns = [w.connect() for _ in range(100)]
    conns.pop().close()
    while w.handler.names().count("on_close") < 100:
        before = w.handler.names().count("on_close")
        neighbour.turn()
        assert 0 < w.handler.names().count("on_close") - before <= 16


def test_the_end_of_a_loop_settles_everything(world):
    w = world(on_close=lambda conn, error: conns and conns.pop().close())
    conns = [w.connect() for _ in range(100)]
    w.loop.close()
    assert w.handler.names().count("on_close") == 100


def test_many_listeners_share_a_turn(world):
    w = world()
    fds = range(900_000, 900_100)
    for fd in fds:
        address = Address("tcp", "192.0.2.1", 9000)
        w.loop.listen(Listener(fd, address, "tcp", None, lambda: None), None)
    w.loop.start_accepting()
    for fd in fds:
        for _ in range(20):
            w.sockets.connect(fd)
    w.loop.turn()
    assert 100 <= w.loop.connection_count <= 400
    w.turns(20)
    assert w.loop.connection_count == 2000


def test_what_a_poller_of_levels_finds_comes_in_portions():
    with contextlib.closing(SelectPoller()) as poller, contextlib.ExitStack() as stack:
        fds = set()
        for _ in range(300):
            pair = socket.socketpair()
            stack.enter_context(pair[0])
            stack.enter_context(pair[1])
            pair[1].send(b"x")
            poller.register(pair[0].fileno(), Interest.READ)
            fds.add(pair[0].fileno())
        wait = columns_of(poller)
        first, second = set(wait(5)[0]), set(wait(5)[0])
        assert len(first) == len(second) == 256
        assert first | second == fds
        assert fds - first <= second, "those that were left out come first"
