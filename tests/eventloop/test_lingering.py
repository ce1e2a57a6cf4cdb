"""Closing while the peer still sends: its unread input must not turn the FIN into a reset."""

from __future__ import annotations

import errno

import pytest

from netcore import Action, CloseReason
from netcore.connection import Limits
from netcore.eventloop import Gate


def close_with_input(world, data=b"more of the request", shared=None, **limits):
    """Answers a request and closes while the kernel has input that nobody has received."""
    w = world(limits=Limits(**limits), shared=shared, on_traffic=lambda conn: conn.read() and None)
    conn = w.connect()
    w.feed(conn, b"request")
    conn.write(b"response")
    conn.close()
    w.sockets.feed(conn.fd, data)
    w.loop._aftermath.settle()
    return w, conn


def test_the_handler_does_not_wait_for_the_peer(world):
    w, conn = close_with_input(world)
    assert w.handler.names(conn)[-1] == "on_close"
    assert conn.close_reason is CloseReason.LOCAL
    assert w.loop.connection_count == 0
    assert w.sent(conn) == b"response"


def test_the_fin_is_sent_and_the_descriptor_kept_until_the_peers(world):
    w, conn = close_with_input(world)
    assert w.sockets.shut == [conn.fd]
    assert w.sockets.closed == []
    for _ in range(3):
        w.sockets.feed(conn.fd, b"and more" * 1000)
        w.turns(2)
    assert w.handler.received() == b"", "what nobody asked for is thrown away"
    assert w.sockets.closed == []
    w.sockets.feed_eof(conn.fd)
    w.turns(2)
    assert w.sockets.closed == [conn.fd]
    assert conn.fd not in w.poller.interests


@pytest.mark.parametrize("code", [errno.ECONNRESET, errno.ETIMEDOUT])
def test_an_error_ends_it(world, code):
    w, conn = close_with_input(world)
    w.sockets.feed_error(conn.fd, code)
    w.turns(2)
    assert w.sockets.closed == [conn.fd]


def test_a_peer_that_never_ends_is_given_close_timeout(world):
    w, conn = close_with_input(world, close_timeout=3)
    start = w.clock.now
    while not w.sockets.closed:
        w.sockets.feed(conn.fd, b"x")
        w.turns()
        w.clock.advance(0.5)
    assert 3 <= w.clock.now - start <= 4


def test_nothing_unread_is_closed_at_once(world):
    w = world(on_traffic=lambda conn: conn.read() and Action.CLOSE)
    conn = w.connect()
    w.feed(conn, b"request")
    assert w.sockets.closed == [conn.fd]
    assert w.sockets.shut == []


def silent(world, **shared):
    """Closes while nothing is there to be received; what is under way comes later."""
    w = world(
        limits=Limits(linger=0.25, close_timeout=3),
        shared=shared,
        on_traffic=lambda conn: conn.read() and Action.CLOSE,
    )
    conn = w.connect()
    w.feed(conn, b"request")
    assert w.sockets.shut == [conn.fd]
    assert w.sockets.closed == []
    return w, conn


def test_a_silent_peer_is_closed_soon(world):
    w, conn = silent(world)
    start = w.clock.now
    w.loop.turn()
    assert w.clock.now - start == pytest.approx(0.25)
    assert w.sockets.closed == [conn.fd]


def test_a_peer_that_begins_to_send_is_given_its_time(world):
    w, conn = silent(world)
    start = w.clock.now
    w.feed(conn, b"the rest of it")
    while not w.sockets.closed:
        w.loop.turn()
    assert w.clock.now - start == pytest.approx(3)


def test_a_stop_closes_idle_connections_at_once(world):
    w = world(limits=Limits(linger=0.25))
    conn = w.connect()
    start = w.clock.now
    w.loop.execute(w.loop.stop, 10)
    w.loop.run()
    assert w.clock.now == start
    assert conn.fd in w.sockets.closed


def test_the_request_itself_may_be_unread(world):
    w = world(limits=Limits(linger=1), on_traffic=lambda conn: Action.CLOSE)
    conn = w.connect()
    w.feed(conn, b"POST / HTTP/1.1\r\nContent-Length: 1000000")
    assert w.handler.names(conn)[-1] == "on_close"
    assert w.sockets.shut == [conn.fd]
    assert w.sockets.closed == []


@pytest.mark.parametrize("how", ["abort", "eof"])
def test_no_lingering_where_nothing_can_be_lost(world, how):
    w = world(on_traffic=lambda conn: None)
    conn = w.connect()
    w.feed(conn, b"unread")
    if how == "abort":
        conn.abort()
    else:
        w.sockets.feed_eof(conn.fd)
    w.turns(3)
    assert not w.loop._departures.lingering
    assert (w.sockets.resets if how == "abort" else w.sockets.closed) == [conn.fd]


def test_a_lingering_peer_takes_nobodys_place(world):
    gate = Gate(1, refuse=False)
    w, conn = close_with_input(world, shared={"gate": gate})
    waiting = w.sockets.connect(w.LISTENER)
    w.turns(3)
    assert w.hosts(waiting)
    w.sockets.feed_eof(conn.fd)
    w.turns(3)
    assert gate._free == 0


def test_a_stop_waits_for_the_last_response(world):
    w, conn = close_with_input(world)
    w.loop.execute(w.loop.stop, 10)
    w.loop.execute(w.sockets.feed_eof, conn.fd)
    w.loop.run()
    assert w.sockets.closed[-1] == conn.fd


def test_a_stop_does_not_wait_for_a_peer_that_is_silent(world):
    w, conn = silent(world)
    start = w.clock.now
    w.loop.execute(w.loop.stop, 10)
    w.loop.run()
    assert w.clock.now == start
    assert w.sockets.closed[-1] == conn.fd


def test_a_stop_does_not_wait_long_for_a_peer_that_goes_on_sending(world):
    w, conn = close_with_input(world, close_timeout=1000)
    start = w.clock.now
    w.loop.execute(w.loop.stop, 10)
    w.loop.run()
    assert w.clock.now - start == pytest.approx(1)
    assert conn.fd in w.sockets.closed


def test_shutdown_timeout_bounds_it(world):
    w, conn = close_with_input(world, close_timeout=1000)
    start = w.clock.now
    w.loop.execute(w.loop.stop, 0.5)
    w.loop.run()
    assert w.clock.now - start == pytest.approx(0.5)
    assert conn.fd in w.sockets.closed


def test_a_poller_that_refuses_it_ends_it(world):
    w = world(on_traffic=lambda conn: conn.read() and None)
    conn = w.connect()
    w.feed(conn, b"request")
    conn.close()
    w.sockets.feed(conn.fd, b"more")
    w.poller.register = lambda fd, interest: (_ for _ in ()).throw(OSError(errno.ENOSPC, "no"))
    w.loop._aftermath.settle()
    assert w.sockets.closed == [conn.fd]
    assert w.handler.names(conn)[-1] == "on_close"


def test_what_begins_to_linger_in_the_last_turn_is_closed_with_the_loop(world):
    w = world(limits=Limits(linger=1))
    conn = w.connect()
    w.feed(conn, b"request")
    conn.close()
    w.sockets.feed(conn.fd, b"more")
    w.loop.close()
    assert conn.fd in w.sockets.closed + w.sockets.resets
    assert not w.loop._departures.lingering
    assert not w.poller.interests
