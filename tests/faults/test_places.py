"""``max_connections`` counts descriptors: one that lingers, too, which gives way when places are short."""

from __future__ import annotations

import errno
import socket
import threading
from functools import partial

import pytest

from netcore import Action, EventHandler
from netcore.connection import Limits
from netcore.eventloop import Gate
from netcore.testing import RecordingHandler

BOTH = pytest.mark.parametrize("refuse", [False, True], ids=["pause", "refuse"])


def lingering(site, count=1, places=1, **named):
    """Closes connections whose peers go on sending."""
    s = site(places=places, on_traffic=lambda conn: Action.CLOSE, **named)
    conns = [s.connect() for _ in range(count)]
    for conn in conns:
        s.sockets.feed(conn.fd, b"unread")
        s.turns()
        send(s, [conn])
    assert len(s.loop.lingering) == count
    return s, conns


def send(s, conns):
    for conn in conns:
        if conn.fd in s.loop.lingering:
            s.sockets.feed(conn.fd, b"more")
    s.turns()


def test_what_lingers_has_its_place(site):
    s, conns = lingering(site, places=2, limits=Limits(linger=0.25))
    assert (s.gate._free, s.loop.connection_count, s.loop.unfinished) == (1, 0, 1)
    s.sockets.feed_eof(conns[0].fd)
    s.turns()
    assert (s.gate._free, s.loop.unfinished) == (2, 0)
    assert s.is_even()


def test_a_paused_listener_goes_on_when_what_lingers_has_ended(site):
    s, conns = lingering(site, limits=Limits(linger=0.25))
    waiting = s.arrive()
    s.turns()
    assert 50 not in s.poller.interests
    assert s.gate._free == 0 and waiting not in s.loop._hosted.streams
    s.sockets.feed_eof(conns[0].fd)
    s.turns()
    assert waiting in s.loop._hosted.streams
    assert s.is_even()


def test_who_can_wait_lets_it_have_as_long_as_a_silent_peer(site):
    s, conns = lingering(site, limits=Limits(linger=0.25, close_timeout=5))
    start = s.clock.now
    waiting = s.arrive()
    while waiting not in s.loop._hosted.streams:
        send(s, conns)
        s.clock.advance(0.05)
        assert len({*s.loop.lingering, *s.loop._hosted.streams}) <= 1
    assert 0.2 <= s.clock.now - start <= 0.4
    assert s.is_even()


def test_without_need_it_has_its_time(site):
    s, conns = lingering(site, places=2, limits=Limits(linger=0.25, close_timeout=5))
    s.connect()
    start = s.clock.now
    while s.loop.lingering:
        send(s, conns)
        s.clock.advance(0.25)
    assert 5 <= s.clock.now - start <= 6


def test_who_would_be_refused_takes_its_place_at_once(site):
    s, conns = lingering(site, refuse=True, limits=Limits(linger=0.25))
    conn = s.connect()
    assert s.loop.lingering == ()
    assert conns[0].fd in s.sockets.closed and not conn.closed
    assert s.sockets.resets == []
    assert s.is_even()


@BOTH
def test_the_oldest_gives_way_first(site, refuse):
    s, conns = lingering(site, count=3, places=3, refuse=refuse, limits=Limits(linger=0.25))
    waiting = s.arrive()
    while waiting not in s.loop._hosted.streams:
        s.clock.advance(0.05)
        send(s, conns)
    assert s.loop.lingering == (conns[1].fd, conns[2].fd)
    assert s.is_even()


def test_only_as_many_are_refused_as_find_no_place(site):
    s, _ = lingering(site, count=2, places=2, refuse=True, limits=Limits(linger=0.25))
    fds = s.arrive(3)
    s.turns()
    assert set(s.loop._hosted.streams) == set(fds[:2])
    assert s.sockets.resets == [fds[2]]
    assert s.is_even()


def test_what_begins_to_linger_while_others_wait_is_quick(site):
    s = site(places=1, limits=Limits(linger=0.25, close_timeout=5), on_traffic=lambda conn: Action.CLOSE)
    conn = s.connect()
    waiting = s.arrive()
    s.turns()
    s.sockets.feed(conn.fd, b"unread")
    s.turns()
    start = s.clock.now
    while waiting not in s.loop._hosted.streams:
        send(s, [conn])
        s.clock.advance(0.05)
    assert s.clock.now - start <= 0.4


def test_lodgers_of_another_loop_are_asked_on_their_own(site):
    class Lodger:
        def __init__(self):
            self.asked = []

        def give_way(self, at_once):
            self.asked.append(at_once)

    gate = Gate(2, refuse=False)
    assert gate.take(2, int) == 2
    one, other = Lodger(), Lodger()
    gate.lodge(one)
    gate.lodge(other)
    resumed = []
    assert gate.take(1, lambda: resumed.append(1)) == 0
    assert (one.asked, other.asked) == ([False], [])
    third = Lodger()
    gate.lodge(third)
    assert third.asked == [False], "somebody waits"
    gate.leave(one)
    gate.give_back(1)
    assert resumed == [1]


def test_a_dialled_one_has_its_place_until_its_descriptor_is_closed(site):
    s = site(places=3, limits=Limits(linger=0.25))
    future = s.dial()
    s.sockets.finish_connect(s.sockets.dials[0].fd)
    s.turns()
    assert s.gate._free == 2
    conn = future.result(0)
    conn.close()
    s.turns()
    assert (len(s.loop.lingering), s.gate._free) == (1, 2)
    s.sockets.feed_eof(conn.fd)
    s.turns()
    assert s.gate._free == 3


@BOTH
def test_hostile_peers_do_not_keep_the_places(serve, refuse):
    class Bye(EventHandler):
        def on_open(self, conn):
            conn.write(b"bye")
            return Action.CLOSE

    policy = "refuse" if refuse else "pause"
    engine = serve(Bye(), max_connections=2, max_connections_policy=policy, close_timeout=60)
    address = (engine.addresses[0].host, engine.addresses[0].port)
    hostile, most = [], 0
    for _ in range(8):
        peer = socket.create_connection(address, 30)
        hostile.append(peer)
        peer.sendall(b"x")
        assert peer.recv(10) == b"bye"
        most = max(most, sum(len(loop.lingering) for loop in engine.loops))
        for each in hostile:
            try:
                each.sendall(b"x" * 10)
            except OSError as error:
                assert error.errno in (errno.EPIPE, errno.ECONNRESET)
    assert most <= 2
    for peer in hostile:
        peer.close()


def test_a_drain_waits_for_what_lingers(serve, dial):
    class Bye(EventHandler):
        def on_open(self, conn):
            conn.write(b"bye")
            return Action.CLOSE

    engine = serve(Bye(), close_timeout=60)
    peer = dial(engine)
    peer.sendall(b"x")
    assert peer.recv(10) == b"bye"
    engine.stop_accepting()
    peer.close()
    assert engine.drain(30)
    assert not any(loop.lingering for loop in engine.loops)


# A drain waits for whatever has been accepted, dialled or enrolled.


class Slow:
    """A balancer that picks only when it is told to."""

    def __init__(self):
        self.asked, self.go_on = threading.Event(), threading.Event()

    def pick(self, loops, remote):
        self.asked.set()
        assert self.go_on.wait(30)
        return loops[-1]


@pytest.mark.parametrize("loops", [1, 2])
def test_a_drain_waits_for_what_the_balancer_is_picking_a_loop_for(serve, dial, loops):
    balancer, handler = Slow(), RecordingHandler()
    engine = serve(handler, load_balancer=balancer, num_event_loops=loops)
    peer = dial(engine)
    assert balancer.asked.wait(30)
    assert engine.connection_count == 0, "the balancer must not see it where it is not"
    engine.stop_accepting()
    assert not engine.drain(0)
    assert not engine.drain(0.05)
    balancer.go_on.set()
    handler.wait_for("on_open")
    assert not engine.drain(0.05)
    peer.close()
    assert engine.drain(30)
    assert handler.names()[-1] == "on_close"


def test_a_drain_waits_for_the_listeners_to_close(serve):
    handler, go_on = RecordingHandler(), threading.Event()
    engine = serve(handler)
    busy = threading.Event()

    def hold():
        busy.set()
        assert go_on.wait(30)

    engine.loops[0].execute(hold)
    assert busy.wait(30)
    engine.stop_accepting()
    assert not engine.drain(0)
    go_on.set()
    assert engine.drain(30)
    assert not engine.loops[0].listening


def test_a_drain_waits_for_a_callback(serve, dial):
    go_on = threading.Event()
    handler = RecordingHandler(on_close=lambda conn, error: go_on.wait(30) and None)
    engine = serve(handler)
    dial(engine).close()
    engine.loops[0].execute(int)
    engine.stop_accepting()
    assert not engine.drain(0.05) or "on_open" not in handler.names()
    go_on.set()
    assert engine.drain(30)


def test_a_drain_waits_for_a_dial_and_an_enrolment(serve):
    handler, go_on, busy = RecordingHandler(), threading.Event(), threading.Event()
    engine = serve(handler)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hold():
            busy.set()
            assert go_on.wait(30)

        engine.loops[0].execute(hold)
        assert busy.wait(30)
        port = listener.getsockname()[1]
        dialled = engine.dial(f"tcp://127.0.0.1:{port}")
        assert not engine.drain(0)
        ours = socket.create_connection(listener.getsockname())
        enrolled = engine.enroll(ours)
        assert engine.loops[0].unfinished == 2
        go_on.set()
        conns = [future.result(30) for future in (dialled, enrolled)]
        assert engine.connection_count == 2
        for conn in conns:
            conn.abort()
        engine.stop_accepting()
        assert engine.drain(30)


def test_one_in_a_phase_counts_once_at_every_moment(site, toys):
    counts = []
    s = site(
        phases=lambda name: [toys.ToyHeader()],
        on_open=lambda conn: counts.append((conn.loop.connection_count, conn.loop.unfinished)),
    )
    fd = s.arrive()
    s.turns()
    assert (s.loop.connection_count, s.loop.unfinished) == (1, 1)
    s.sockets.feed(fd, b"HELLO me\n")
    s.turns()
    assert counts == [(1, 1)]
    assert (s.loop.connection_count, s.loop.unfinished) == (1, 1)


def test_accepted_ones_count_while_their_neighbours_are_placed(site):
    seen = []

    def pick(remote):
        seen.append((s.loop.placing, s.loop.connection_count))
        return s.loop

    s = site(places=5, pick=pick)
    s.arrive(3)
    s.turns()
    assert seen == [(3, 0), (2, 1), (1, 2)]
    assert s.loop.placing == 0


def test_an_end_hears_of_the_close(site):
    counts = []
    s = site(on_close=lambda conn, error: counts.append((conn.loop.connection_count, conn.loop.unfinished)))
    s.connect().abort()
    s.turns()
    assert counts == [(0, 1)]
    assert s.loop.unfinished == 0


def test_who_asks_again_while_it_waits_is_told_once():
    gate = Gate(1, refuse=False)
    told = []
    assert gate.take(1, lambda: None) == 1
    when_free = partial(told.append, "free")
    assert gate.take(1, when_free) == gate.take(1, when_free) == 0
    gate.give_back(1)
    assert told == ["free"]
