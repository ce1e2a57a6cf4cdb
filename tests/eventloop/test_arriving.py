"""Several that are accepted at once: each for itself, and the counts hold at every moment."""

from __future__ import annotations

import errno

import pytest

from netcore import Action
from netcore.eventloop.gate import Gate


def arrive(w, count):
    fds = [w.sockets.connect(w.LISTENER) for _ in range(count)]
    w.turns()
    return fds


def test_each_is_counted_when_its_on_open_is_called(world):
    seen = []

    def on_open(conn):
        metrics = w.loop.metrics()
        seen.append(
            (metrics.accepted, metrics.connections, w.loop.find(conn.id) is conn, w.poller.interests[conn.fd])
        )

    w = world(on_open=on_open)
    arrive(w, 3)
    assert seen == [(1, 1, True, 1), (2, 2, True, 1), (3, 3, True, 1)]
    assert w.loop.placing == 0


def test_ids_are_their_own_and_facts_are_those_of_the_peer(world):
    w = world()
    conns = [w.loop._hosted.streams[fd] for fd in arrive(w, 3)]
    assert len({conn.id for conn in conns}) == 3
    for conn in conns:
        assert (conn.network, conn.context, conn.closed, conn.writable) == ("tcp", None, False, True)
        assert conn.remote_address.network == "tcp"


def test_one_may_say_good_bye_at_once_and_another_fail(world):
    def on_open(conn):
        conn.write(b"hello")
        if conn.fd == first:
            return Action.CLOSE
        if conn.fd == first + 1:
            raise LookupError("on purpose")
        return None

    w = world(on_open=on_open)
    first = w.sockets.connect(w.LISTENER)
    rest = arrive(w, 3)
    assert w.sockets.closed[:1] == [first]
    assert not w.hosts(first) and [w.hosts(fd) for fd in rest] == [False, True, True]
    assert bytes(w.sockets.sent[first]) == bytes(w.sockets.sent[rest[-1]]) == b"hello"
    errors = [event.detail for event in w.handler.events if event.name == "on_error"]
    assert [str(error) for error in errors] == ["on purpose"]
    metrics = w.loop.metrics()
    assert (metrics.accepted, metrics.connections, metrics.closed_local, metrics.closed_error) == (4, 2, 1, 1)


@pytest.mark.parametrize(
    "stop", [lambda loop: loop.stop_now(), lambda loop: loop.stop(5)], ids=["at once", "slowly"]
)
def test_one_stops_the_loop_and_the_others_are_turned_away(world, stop):
    w = world(on_open=lambda conn: stop(w.loop) and None)
    fds = arrive(w, 3)
    assert w.handler.names().count("on_open") == 1
    assert set(w.sockets.resets) >= set(fds[1:])
    assert not any(map(w.hosts, fds[1:]))
    metrics = w.loop.metrics()
    assert (metrics.accepted, metrics.connections) == (1, 0 if metrics.closed_shutdown else 1)


def test_one_that_the_poller_refuses_gives_its_place_back(world, caplog):
    gate = Gate(3, refuse=True)
    w = world(shared={"gate": gate})
    register = w.poller.register

    def refusing(fd, interest):
        if fd == second:
            raise OSError(errno.ENOSPC, "no room")
        register(fd, interest)

    w.poller.register = refusing
    first = w.sockets.connect(w.LISTENER)
    second = w.sockets.connect(w.LISTENER)
    (third,) = arrive(w, 1)
    assert [w.hosts(fd) for fd in (first, second, third)] == [True, False, True]
    assert w.sockets.resets == [second]
    assert w.loop.metrics().accepted == 2
    assert "no room" in caplog.text
    (fourth,) = arrive(w, 1)
    assert w.hosts(fourth)


def test_one_that_closes_the_listener_leaves_nothing_to_do_about_an_error_of_it(world, caplog):
    w = world(on_open=lambda conn: w.loop.stop_accepting())
    accept = w.sockets.accept
    w.sockets.accept = lambda fd, limit: (accept(fd, limit)[0], -errno.EMFILE)
    arrive(w, 1)
    assert not w.acceptor._reserve.spend(), "it would be nobody's to close"
    assert "trying again" not in caplog.text
    assert not w.loop.metrics().timers_armed
