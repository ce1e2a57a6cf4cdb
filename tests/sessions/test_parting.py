"""Sessions part with the socket of a listener that has closed, on fakes, with either kind of connection."""

from __future__ import annotations

import errno
import socket
from contextlib import nullcontext

import pytest
from kcp_world import FD, PORT

from netcore import CloseReason
from netcore._machine import REAL
from netcore.eventloop import kcp_parting
from netcore.kcp import KcpOptions
from netcore.sockets import Beside, pack_name

BOUND = pack_name(socket.AF_INET, ("192.0.2.1", 9000))


@pytest.fixture(autouse=True)
def fake_options(monkeypatch):
    """What the kernel would be asked of a bound socket."""
    monkeypatch.setattr(kcp_parting, "sockets_beside", lambda sock, base: Beside(base, BOUND, share=1))
    monkeypatch.setattr(kcp_parting, "sharing", lambda sock, share: nullcontext())
    monkeypatch.setattr(REAL, "descriptors_taken", lambda fd: 0.0)


def echo(conn):
    conn.write(conn.read())


def opened(world, *peers):
    """Opens a session with each, and has it prove its address."""
    for peer in peers:
        peer.send(b"hello")
    world.turn(*peers)
    world.go_on(0.2, *peers)
    assert [peer.kcp.drain() for peer in peers] == [b"hello"] * len(peers)
    return [event.conn for event in world.handler.events if event.name == "on_open"]


def parted(world, *peers):
    """Closes the listener, and has the kernel put what peers send where they are connected."""
    world.loop.stop_listening(world.listener)
    world.turn(*peers)
    world.turn(*peers)
    for peer in peers:
        for dial in world.sockets.dials:
            if dial.endpoint.name[1] == peer.port and dial.fd >= 0:
                peer.fd = dial.fd


def talk(world, *peers):
    for peer in peers:
        peer.send(b"more")
    world.go_on(0.3, *peers)
    return [peer.kcp.drain() for peer in peers]


def test_each_session_gets_a_socket_of_its_own(make):
    world = make(on_traffic=echo)
    peers = [world.peer(port=PORT + i) for i in range(3)]
    conns = opened(world, *peers)
    conns[0].write(b"on its way ")
    parted(world, *peers)
    assert [dial.endpoint.name for dial in world.sockets.dials] == [("192.0.2.7", PORT + i) for i in range(3)]
    assert [dial.kind for dial in world.sockets.dials] == [socket.SOCK_DGRAM] * 3
    own = [dial.fd for dial in world.sockets.dials]
    assert [conn.fd for conn in conns] == own
    assert world.sockets.released == [FD]
    assert talk(world, *peers) == [b"on its way more", b"more", b"more"]
    assert world.loop.metrics().connections == 3
    assert world.loop.metrics().kcp_refused == 0
    for conn in conns:
        conn.close()
    world.go_on(0.1, *peers)
    assert sorted(world.sockets.released) == [FD, *own]
    assert {conn.close_reason for conn in conns} == {CloseReason.LOCAL}


def test_conversations_of_one_peer_are_told_apart(make):
    world = make(on_traffic=echo)
    peers = [world.peer(conversation) for conversation in (1, 2)]
    opened(world, *peers)
    parted(world, *peers)
    fds = [dial.fd for dial in world.sockets.dials]
    for peer in peers:  # which of two sockets to the same peer it is, the kernel decides
        peer.fd = fds[0]
    peers[0].send(b"mine")
    world.go_on(0.2, *peers)
    assert peers[0].kcp.drain() == b"mine"


def test_what_has_come_before_is_read_first(make):
    world = make(on_traffic=echo)
    peer = world.peer()
    opened(world, peer)
    world.loop.stop_listening(world.listener)
    world.turn(peer)
    peer.send(b"late")  # to the old socket still
    world.turn(peer)
    peer.fd = world.sockets.dials[0].fd
    world.go_on(0.05, peer)
    assert peer.kcp.drain() == b"late"
    assert world.sockets.released == [FD]


def test_what_is_for_others_is_refused(make):
    world = make(on_traffic=echo)
    mine, other = world.peer(port=PORT), world.peer(port=PORT + 1)
    opened(world, mine)
    parted(world, mine)
    other.fd = mine.fd
    other.send(b"to the same conversation")
    world.turn(mine, other)
    assert world.loop.metrics().kcp_refused == 1
    assert world.handler.names().count("on_traffic") == 1


def test_deadlines_and_times_move_along(make):
    world = make(KcpOptions(idle_timeout=5), on_traffic=echo)
    peer = world.peer()
    (conn,) = opened(world, peer)
    parted(world, peer)
    conn.write(b"lost")
    world.turn()  # nobody gets it
    world.go_on(0.5, peer)
    assert peer.kcp.drain() == b"lost"
    world.go_on(5.1)
    assert conn.close_reason is CloseReason.TIMEOUT


def test_a_peer_that_has_proven_nothing_is_given_up_as_before(make):
    world = make()
    silent = world.peer()
    silent.send(b"hello")
    world.turn()
    (conn,) = [event.conn for event in world.handler.events if event.name == "on_open"]
    parted(world, silent)
    assert conn.fd != FD
    world.go_on(10.1)
    assert conn.close_reason is CloseReason.TIMEOUT
    assert len(world.sockets.released) == 2


def test_who_proves_his_address_later_is_known_for_it(make):
    world = make(on_traffic=echo)
    peer = world.peer()
    peer.send(b"hello")
    world.turn(peer)
    parted(world, peer)
    world.go_on(0.3, peer)
    assert peer.kcp.drain() == b"hello"
    world.go_on(10.1)
    assert world.loop.metrics().connections == 1


def test_some_move_in_each_turn(make, monkeypatch):
    monkeypatch.setattr(kcp_parting, "_PER_TURN", 2)
    world = make(on_traffic=echo)
    peers = [world.peer(port=PORT + i) for i in range(5)]
    opened(world, *peers)
    world.loop.stop_listening(world.listener)
    seen = []
    for _ in range(4):
        world.turn(*peers)
        seen.append(len(world.sockets.dials))
    assert seen == [0, 2, 4, 5]
    assert world.sockets.released == [FD]


def test_sessions_that_end_meanwhile_need_none(make, monkeypatch):
    monkeypatch.setattr(kcp_parting, "_PER_TURN", 1)
    world = make(on_traffic=echo)
    peers = [world.peer(port=PORT + i) for i in range(3)]
    conns = opened(world, *peers)
    parted(world, *peers)
    for conn in conns[1:]:
        conn.abort()
    for _ in range(3):
        world.turn(*peers)
    assert len(world.sockets.dials) == 1
    assert world.sockets.released == [FD]


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EADDRINUSE])
def test_who_gets_no_socket_stays(make, monkeypatch, caplog, code):
    monkeypatch.setattr(kcp_parting, "_PER_TURN", 2)
    world = make(on_traffic=echo)
    peers = [world.peer(port=PORT + i) for i in range(6)]
    conns = opened(world, *peers)
    world.sockets.script_connects(0, code)
    parted(world, *peers)
    world.turn(*peers)
    assert len(world.sockets.dials) == 2
    assert [conn.fd == FD for conn in conns] == [False] + [True] * 5
    assert talk(world, *peers) == [b"more"] * 6
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "sessions stay on the socket" in caplog.text
    assert world.sockets.released == []
    for conn in conns[1:]:
        conn.abort()
    world.turn()
    assert world.sockets.released == [FD]


def test_an_address_that_is_gone_keeps_one_session_only(make, caplog):
    world = make(on_traffic=echo)
    peers = [world.peer(port=PORT + i) for i in range(3)]
    conns = opened(world, *peers)
    world.sockets.script_connects(errno.EADDRNOTAVAIL, 0, 0)
    parted(world, *peers)
    assert [conn.fd == FD for conn in conns] == [True, False, False]
    assert len(caplog.records) == 1
    assert talk(world, *peers) == [b"more"] * 3


def test_some_descriptors_are_left_to_others(make, monkeypatch, caplog):
    monkeypatch.setattr(REAL, "descriptors_taken", lambda fd: fd / 136)  # fakes begin at 100
    world = make(on_traffic=echo)
    peers = [world.peer(port=PORT + i) for i in range(4)]
    conns = opened(world, *peers)
    parted(world, *peers)
    assert [conn.fd == FD for conn in conns] == [False, False, True, True]
    assert world.sockets.released == [102]
    assert len(caplog.records) == 1


def test_no_more_than_so_many_move(make, monkeypatch, caplog):
    monkeypatch.setattr(kcp_parting, "_MOST", 2)
    world = make(on_traffic=echo)
    peers = [world.peer(port=PORT + i) for i in range(3)]
    conns = opened(world, *peers)
    parted(world, *peers)
    assert [conn.fd == FD for conn in conns] == [False, False, True]
    assert talk(world, *peers) == [b"more"] * 3
    assert "no more than 2 get sockets" in caplog.text


def test_strangers_take_no_sockets_from_those_who_have_proven_who_they_are(make, monkeypatch):
    monkeypatch.setattr(kcp_parting, "_MOST", 2)
    world = make(on_traffic=echo)
    for i in range(3):
        world.peer(port=PORT + 10 + i).send(b"hello")  # and never again
        world.turn()
    peers = [world.peer(port=PORT + i) for i in range(2)]
    conns = opened(world, *peers)[3:]
    parted(world, *peers)
    assert [dial.endpoint.name[1] for dial in world.sockets.dials] == [PORT, PORT + 1]
    assert FD not in [conn.fd for conn in conns]


def test_where_the_kernel_does_not_look_who_is_connected_all_stay(make, monkeypatch, caplog):
    monkeypatch.setattr(kcp_parting, "sockets_beside", lambda sock, base: None)
    world = make(on_traffic=echo)
    peer = world.peer()
    (conn,) = opened(world, peer)
    parted(world, peer)
    assert conn.fd == FD
    assert talk(world, peer) == [b"more"]
    assert caplog.records == []


def test_a_stop_moves_those_that_have_something_to_say(make):
    world = make(on_traffic=echo)
    busy, idle = world.peer(port=PORT), world.peer(port=PORT + 1)
    conns = opened(world, busy, idle)
    conns[0].write(b"the end")
    world.loop.stop(10.0)
    world.turn()
    world.turn()
    assert [dial.endpoint.name[1] for dial in world.sockets.dials] == [PORT]
    busy.fd = world.sockets.dials[0].fd
    world.go_on(0.5, busy, idle)
    assert busy.kcp.drain() == b"the end"
    assert world.loop.finished
    assert sorted(world.sockets.released) == [FD, busy.fd]


def test_an_immediate_stop_needs_no_sockets(make):
    world = make(on_traffic=echo)
    opened(world, world.peer())
    world.loop.stop_now()
    world.turn()
    world.turn()
    assert world.sockets.dials == []
    assert world.sockets.released == [FD]


def test_a_forked_child_lets_go_of_each_socket(make):
    world = make(on_traffic=echo)
    peer = world.peer()
    opened(world, peer)
    parted(world, peer)
    world.loop.abandon()
    assert sorted(world.sockets.released) == [FD, peer.fd]
