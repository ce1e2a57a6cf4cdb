"""Sessions turn by turn, on fakes under a clock that is wound by hand, with either kind of connection."""

from __future__ import annotations

import gc
import sys
import weakref

import pytest
from kcp_world import FD, PORT

from netcore import Action, CloseReason, Timeout
from netcore.eventloop import Gate, kcp_port
from netcore.eventloop.sessions import Sessions
from netcore.kcp import KcpOptions
from netcore.kcp.wire import PUSH, Segment, pack

HELLO = b"hello"


def echo(conn):
    conn.write(conn.read())


def test_all_that_has_come_is_one_callback_and_all_answers_are_one_batch(make):
    world = make(on_traffic=echo)
    peers = [world.peer(port=PORT + i) for i in range(3)]
    for peer in peers:
        peer.send(b"one")
        peer.send(b"two")
    world.turn(*peers)
    assert world.handler.names().count("on_open") == 3
    assert world.handler.names().count("on_traffic") == 3
    assert [peer.kcp.drain() for peer in peers] == [b"onetwo"] * 3
    assert [len(peer.came) for peer in peers] == [1] * 3


def test_idle_sessions_have_no_timers_but_their_deadline(make):
    world = make(on_traffic=echo)
    peers = [world.peer(port=PORT + i) for i in range(20)]
    for peer in peers:
        peer.send(b"hello")
    world.turn(*peers)
    world.go_on(15, *peers)
    before = world.loop.metrics().timers
    world.go_on(10)
    assert world.loop.metrics().timers - before < 5
    assert world.loop.metrics().connections == 20


def test_what_is_lost_is_sent_again_by_the_clock(make):
    world = make(on_traffic=echo)
    peer = world.peer()
    peer.send(b"hello")
    world.turn(peer)
    world.go_on(0.1, peer)
    conn = world.handler.wait_for("on_open").conn
    conn.write(b"lost")
    world.turn()  # nobody gets it
    assert conn.outbound_buffered == 4
    world.go_on(0.5, peer)
    assert peer.kcp.drain() == b"hellolost"
    assert conn.outbound_buffered == 0


def test_an_idle_peer_ends_by_its_deadline(make):
    world = make(KcpOptions(idle_timeout=5))
    peer = world.peer()
    peer.send(HELLO)
    world.turn(peer)
    world.go_on(4.9, peer)
    assert world.handler.names() == ["on_open", "on_traffic"]
    world.go_on(0.2, peer)
    assert world.handler.names() == ["on_open", "on_traffic", "on_timeout", "on_close"]
    assert world.handler.details("on_timeout") == [Timeout.IDLE]
    conn = world.handler.wait_for("on_close").conn
    assert conn.close_reason is CloseReason.TIMEOUT
    assert conn.closed


def test_bytes_of_no_conversation_put_no_deadline_off(make):
    world = make(KcpOptions(idle_timeout=5))
    peer = world.peer()
    peer.send(HELLO)
    world.turn(peer)
    for _ in range(51):
        peer.send_datagram(peer.conversation.to_bytes(4, "little") + b"nonsense")
        world.go_on(0.1)
    assert world.handler.names()[-1] == "on_close"
    assert world.loop.metrics().kcp_refused > 40


def test_a_close_ends_when_all_is_acknowledged(make):
    world = make(on_traffic=lambda conn: (echo(conn), Action.CLOSE)[1])
    peer = world.peer()
    peer.send(b"bye")
    world.turn(peer)
    assert "on_close" not in world.handler.names()
    world.go_on(0.02, peer)
    assert world.handler.names() == ["on_open", "on_traffic", "on_close"]
    assert world.sockets.closed == world.sockets.resets == world.sockets.released == []


def test_a_full_kernel_delays_and_loses_nothing(make):
    world = make(on_traffic=echo)
    peer = world.peer()
    world.sockets.block(FD)
    peer.send(b"hello")
    world.turn(peer)
    assert peer.came == []
    world.sockets.unblock(FD)
    world.go_on(0.5, peer)
    assert peer.kcp.drain() == b"hello"


def test_the_listener_goes_with_its_last_session(make):
    world = make(on_traffic=echo)
    peer = world.peer()
    peer.send(b"hello")
    world.turn(peer)
    world.go_on(0.1, peer)
    world.loop.stop_listening(world.listener)
    assert world.sockets.released == []
    world.peer(conversation=8).send(b"too late")
    peer.send(b"more")
    world.go_on(0.1, peer)
    assert peer.kcp.drain() == b"hellomore"
    assert world.handler.names().count("on_open") == 1
    world.handler.wait_for("on_open").conn.close()
    world.go_on(0.1, peer)
    assert world.sockets.released == [FD]


def test_a_stop_gives_up_on_who_does_not_answer(make):
    world = make(on_traffic=echo)
    world.peer().send(b"hello")
    world.turn()
    world.loop.stop(1.0)
    world.go_on(1.1)
    assert world.handler.names() == ["on_open", "on_traffic", "on_close"]
    assert world.loop.finished
    assert world.sockets.released == [FD]


def test_a_handler_that_fails_costs_its_own_session(make):
    def fail(conn):
        if conn.read() == b"bad":
            raise ValueError("bad")
        conn.write(b"good")

    world = make(on_traffic=fail)
    bad, good = world.peer(), world.peer(port=PORT + 1)
    bad.send(b"bad")
    good.send(b"good")
    world.turn(bad, good)
    world.go_on(0.1, bad, good)
    assert good.kcp.drain() == b"good"
    assert world.handler.names().count("on_close") == 1
    assert isinstance(world.handler.wait_for("on_close").detail, ValueError)


def test_a_write_deadline_is_met_by_who_acknowledges_nothing(make):
    world = make(
        on_traffic=lambda conn: (conn.read(), conn.set_write_deadline(1), conn.write(b"x"))[0] and None
    )
    peer = world.peer()
    peer.send(b"hello")
    world.turn(peer)
    world.go_on(0.1, peer)
    conn = world.handler.wait_for("on_open").conn
    conn.write(b"and again")
    world.go_on(0.9)
    assert not conn.closed
    world.go_on(0.3)
    assert world.handler.details("on_timeout") == [Timeout.WRITE]
    assert conn.closed


@pytest.mark.parametrize("stream", [True, False])
def test_a_message_without_an_end_ends_its_session(make, stream):
    world = make(KcpOptions(receive_window=4, stream=stream, idle_timeout=0))
    peer = world.peer()
    for number in range(4):
        peer.send_datagram(pack(7, Segment(PUSH, 3, 128, 0, number, 0, b"x")))
    world.turn(peer)
    assert world.handler.names() == ["on_open", "on_close"]
    assert isinstance(world.handler.wait_for("on_close").detail, ConnectionAbortedError)


def test_a_segment_may_be_sent_in_vain_but_once(make):
    world = make(KcpOptions(dead_link=1, idle_timeout=0), on_traffic=echo)
    peer = world.peer()
    peer.send(HELLO)
    world.turn()  # the last that is heard of it
    assert world.handler.names() == ["on_open", "on_traffic", "on_close"]
    assert isinstance(world.handler.wait_for("on_close").detail, TimeoutError)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="what is over is let go of by the collector")
@pytest.mark.parametrize("callback", ["on_open", "on_traffic"])
def test_nothing_is_left_of_sessions_that_are_over(make, callback):
    world = make(**{callback: lambda conn: (conn.discard(), Action.CLOSE)[1]})
    gone = []
    gc.collect()
    gc.disable()  # nobody has to search for them
    try:
        for conversation in range(20):
            peer = world.peer(conversation)
            peer.send(HELLO)
            world.turn(peer)
            world.go_on(0.02, peer)
            gone.append(weakref.ref(world.handler.wait_for("on_close").conn.session))
            world.handler.events.clear()
        assert [each() for each in gone] == [None] * 20
    finally:
        gc.enable()


def test_who_has_proven_his_address_is_not_half_open(make, monkeypatch):
    monkeypatch.setattr(kcp_port, "_MOST_HALF_OPEN_OF_ONE", 5)
    world = make(on_traffic=echo)
    for conversation in range(20):
        peer = world.peer(conversation)
        peer.send(b"hello")
        world.go_on(0.05, peer)
        assert peer.kcp.drain() == b"hello"
    assert world.loop.metrics().connections == 20
    assert world.loop.metrics().kcp_refused == 0


def test_who_is_sent_nothing_proves_his_address_as_well(make):
    world = make(KcpOptions(idle_timeout=25))
    peer, spoofed = world.peer(), world.peer(8)
    for each in (peer, spoofed):
        each.send(HELLO)
    world.go_on(1, peer)
    assert not peer.kcp.waiting
    world.go_on(20)
    (lost,) = world.handler.details("on_close")
    assert "has not answered in" in str(lost)
    assert world.loop.metrics().connections == 1
    world.go_on(5)
    assert world.handler.details("on_timeout") == [Timeout.IDLE]  # by its own time


def test_what_has_come_is_acknowledged_before_a_session_ends(make):
    world = make(on_traffic=lambda conn: (conn.discard(), Action.CLOSE)[1])
    peer = world.peer()
    peer.send(HELLO * 5)  # which pays for a challenge, and a receipt
    world.turn(peer)
    assert world.handler.names()[-1] == "on_close"
    assert not peer.kcp.waiting


def test_who_is_owed_a_receipt_that_nothing_pays_for_is_waited_for(make):
    world = make(on_traffic=lambda conn: (conn.discard(), conn.loop.schedule(0.001, conn.close))[0])
    peer = world.peer()
    peer.send(HELLO)  # which pays for a challenge, and no more
    world.turn(peer)
    world.go_on(0.1, peer)
    assert world.handler.details("on_close") == [None]
    assert not peer.kcp.waiting


def test_who_is_owed_a_receipt_and_is_silent_is_waited_for_as_long_as_a_close_may_take(make):
    world = make(on_traffic=lambda conn: (conn.discard(), conn.loop.schedule(0.001, conn.close))[0])
    world.peer().send(HELLO)
    world.turn()
    world.go_on(1)
    assert world.handler.names()[-1] == "on_traffic"
    world.go_on(world.loop.limits.close_timeout)
    assert world.handler.details("on_close") == [None]


def test_who_finds_no_place_costs_no_connection(make, monkeypatch):
    made = []
    make_one = Sessions.make
    monkeypatch.setattr(Sessions, "make", lambda *args: (made.append(args), make_one(*args))[1])
    world = make(gate=Gate(1, refuse=True))
    for port in (PORT, PORT + 1, PORT + 2):
        world.peer(port=port).send(HELLO)
    world.turn()
    assert len(made) == world.loop.metrics().connections == 1
    assert world.loop.metrics().kcp_refused == 2
