"""A name with several addresses: staggered attempts, as in RFC 8305, on fakes and a manual clock."""

from __future__ import annotations

import errno
import socket

import pytest

from netcore import EngineNotRunningError
from netcore.eventloop import Gate
from netcore.eventloop.race import interleaved
from netcore.poll import Readiness
from netcore.sockets import Endpoint

A, B, C = (Endpoint(socket.AF_INET, (f"192.0.2.{n}", 7)) for n in (11, 12, 13))
X, Y = (Endpoint(socket.AF_INET6, (f"2001:db8::{n}", 7, 0, 0)) for n in (1, 2))
NAME = "tcp://many.example:7"


@pytest.fixture
def found(monkeypatch):
    """Says what the name stands for, without a resolver's thread: ``found(*endpoints)``."""
    monkeypatch.setattr("netcore.eventloop.dialing.needs_lookup", lambda address: False)

    def say(*endpoints):
        monkeypatch.setattr("netcore.eventloop.dialing.resolve", lambda address: list(endpoints))

    return say


def dial(w, address=NAME, **arguments):
    future = w.loop.dial(address, **arguments)
    w.turns()
    return future


def tried(w):
    return [attempt.endpoint for attempt in w.sockets.dials]


def open_sockets(w):
    gone = {*w.sockets.closed, *w.sockets.resets, -1}
    return [attempt.fd for attempt in w.sockets.dials if attempt.fd not in gone]


def advance(w, seconds):
    w.clock.advance(seconds)
    w.turns()


def test_families_take_turns():
    assert list(interleaved([A, B, C, X, Y])) == [A, X, B, Y, C]
    assert list(interleaved([X, A, B])) == [X, A, B]
    assert list(interleaved([A])) == [A]
    assert list(interleaved([])) == []


def test_the_next_begins_after_a_quarter_of_a_second_and_the_first_to_connect_wins(world, found):
    found(A, B, X)
    w = world()
    future = dial(w, timeout=5)
    assert tried(w) == [A]
    advance(w, 0.24)
    assert tried(w) == [A]
    advance(w, 0.02)
    assert tried(w) == [A, X]
    advance(w, 0.26)
    assert tried(w) == [A, X, B]
    second = w.sockets.dials[1].fd
    w.sockets.finish_connect(second)
    w.turns()
    assert future.result(0).fd == second
    assert open_sockets(w) == [second]
    assert w.poller.interests.keys() == {second, w.LISTENER}
    assert w.handler.names() == ["on_open"]
    metrics = w.loop.metrics()
    assert (metrics.dialled, metrics.dial_failures, metrics.connections) == (1, 0, 1)
    advance(w, 10)
    assert (len(w.sockets.dials), metrics.timers_armed) == (3, 0)


def test_the_first_may_still_win_late(world, found):
    found(A, X)
    w = world()
    future = dial(w)
    advance(w, 0.3)
    advance(w, 20)
    w.sockets.finish_connect(w.sockets.dials[0].fd)
    w.turns()
    assert future.result(0).fd == w.sockets.dials[0].fd
    assert open_sockets(w) == [w.sockets.dials[0].fd]


def test_two_that_connect_in_one_turn_make_one_connection(world, found):
    found(A, X)
    w = world()
    future = dial(w)
    advance(w, 0.3)
    for attempt in w.sockets.dials:
        w.sockets.finish_connect(attempt.fd)
    w.turns(2)
    assert future.result(0).fd in {attempt.fd for attempt in w.sockets.dials}
    assert (len(open_sockets(w)), w.handler.names(), w.loop.connection_count) == (1, ["on_open"], 1)


def test_one_that_fails_is_followed_at_once(world, found):
    found(A, B, C)
    w = world()
    future = dial(w)
    w.sockets.finish_connect(w.sockets.dials[0].fd, errno.ECONNREFUSED)
    w.turns()
    assert tried(w) == [A, B]
    advance(w, 0.2)  # the delay begins anew with each attempt
    assert tried(w) == [A, B]
    w.sockets.finish_connect(w.sockets.dials[1].fd)
    w.turns()
    assert future.result(0).fd == w.sockets.dials[1].fd


def test_those_that_fail_within_the_call_are_followed_in_the_same_turn(world, found):
    many = [Endpoint(socket.AF_INET, (f"198.51.{n // 250}.{n % 250}", 7)) for n in range(5000)]
    found(*many, A)
    w = world()
    w.sockets.script_connects(*[errno.ENETUNREACH] * 5000)
    future = dial(w)
    assert (len(w.sockets.dials), tried(w)[-1]) == (5001, A)
    w.sockets.finish_connect(w.sockets.dials[-1].fd)
    w.turns()
    assert future.result(0).fd == w.sockets.dials[-1].fd


def test_however_many_addresses_there_are_the_open_sockets_are_bounded(world, found):
    found(*[Endpoint(socket.AF_INET, (f"198.51.100.{n}", 7)) for n in range(200)])
    w = world()
    future = dial(w)
    for _ in range(100):
        advance(w, 0.26)
    assert len(open_sockets(w)) == len(w.sockets.dials) == 16
    w.sockets.finish_connect(open_sockets(w)[0], errno.EHOSTUNREACH)
    w.turns()
    assert (len(w.sockets.dials), len(open_sockets(w))) == (17, 16)
    w.loop.stop(1)
    w.turns()
    assert isinstance(future.exception(0), EngineNotRunningError)
    assert open_sockets(w) == []


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        ([errno.ECONNREFUSED, errno.EHOSTUNREACH], errno.EHOSTUNREACH),
        ([errno.ECONNREFUSED, errno.ENETUNREACH], errno.ECONNREFUSED),
        ([errno.ENETUNREACH, errno.ECONNREFUSED], errno.ECONNREFUSED),
        ([errno.EADDRNOTAVAIL, errno.ENETUNREACH], errno.ENETUNREACH),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_the_error_is_the_last_or_the_most_telling(world, found, codes, told, at_once):
    found(A, X)
    w = world()
    if at_once:
        w.sockets.script_connects(*codes)
    future = dial(w)
    if not at_once:
        for i, code in enumerate(codes):
            w.sockets.finish_connect(w.sockets.dials[i].fd, code)
            w.turns()
    assert future.exception(0).errno == told
    assert "many.example" in str(future.exception(0))
    assert (open_sockets(w), w.loop.metrics().dial_failures) == ([], 1)


def test_no_address_at_all(world, found):
    found()
    w = world()
    assert dial(w).exception(0).errno == errno.EADDRNOTAVAIL


def test_the_time_limit_holds_for_all_of_them(world, found):
    found(A, X, B)
    w = world()
    future = dial(w, timeout=1)
    w.sockets.finish_connect(w.sockets.dials[0].fd, errno.ECONNREFUSED)
    start = w.clock.now
    while not future.done():
        w.loop.turn()
    assert w.clock.now - start == pytest.approx(1)
    error = future.exception(0)
    assert isinstance(error, TimeoutError)
    assert isinstance(error.__cause__, ConnectionRefusedError)
    assert (tried(w), open_sockets(w)) == ([A, X, B], [])
    assert w.loop.metrics().timers_armed == 0


def test_a_spurious_report_of_one_decides_nothing(world, found):
    found(A, X)
    w = world()
    future = dial(w)
    advance(w, 0.3)
    for attempt in w.sockets.dials:
        w.poller.set_ready(attempt.fd, Readiness.WRITABLE)
    w.turns(3)
    assert (future.done(), len(open_sockets(w))) == (False, 2)


def test_one_dial_takes_one_place(world, found):
    gate = Gate(5, refuse=False)
    found(A, X, B)
    w = world(shared={"gate": gate})
    future = dial(w)
    advance(w, 0.3)
    advance(w, 0.3)
    w.sockets.finish_connect(w.sockets.dials[2].fd)
    w.turns()
    assert future.result(0).fd == w.sockets.dials[2].fd
    assert gate._free == 4
    future.result(0).abort()
    w.turns()
    assert gate._free == 5


def test_a_poller_that_refuses_one_attempt_costs_that_attempt(world, found, monkeypatch):
    found(A, B)
    w = world()
    real, refused = w.poller.register, []

    def register(fd, interest):
        if not refused:
            refused.append(fd)
            raise OSError(errno.ENOSPC, "no room")
        real(fd, interest)

    monkeypatch.setattr(w.poller, "register", register)
    future = dial(w)
    assert w.sockets.closed == refused
    w.sockets.finish_connect(w.sockets.dials[1].fd)
    w.turns()
    assert future.result(0).fd == w.sockets.dials[1].fd


@pytest.mark.parametrize("where", ["connect", "connected"])
def test_an_error_that_is_no_oserror_ends_the_dial_and_closes_the_others(world, found, monkeypatch, where):
    found(A, B)
    w = world()
    future = dial(w)
    monkeypatch.setattr(w.sockets, where, lambda *_: 1 // 0)
    if where == "connect":
        advance(w, 0.3)
    else:
        w.sockets.finish_connect(w.sockets.dials[0].fd)
        w.turns()
    assert isinstance(future.exception(0), ZeroDivisionError)
    assert open_sockets(w) == []


def test_a_fork_closes_its_copies_and_fails_its_future(world, found):
    found(A, X)
    w = world()
    future = dial(w)
    queued = w.loop.dial(NAME)
    told = []
    future.add_done_callback(told.append)
    advance(w, 0.3)
    w.loop.abandon()
    assert open_sockets(w) == []
    for each in (future, queued):
        with pytest.raises(EngineNotRunningError, match="fork"):
            each.result(0)
    assert told == []  # which is the parent's


# A socket that meets itself.


def test_an_attempt_that_meets_itself_counts_as_refused(world, found):
    found(A, B)
    w = world()
    future = dial(w)
    first = w.sockets.dials[0].fd
    w.sockets.finish_connect(first, to_itself=True)
    w.turns()
    assert (w.sockets.resets, w.handler.events, future.done()) == ([first], [], False)
    w.sockets.finish_connect(w.sockets.dials[1].fd)
    w.turns()
    assert future.result(0).fd == w.sockets.dials[1].fd


def test_an_only_attempt_that_meets_itself(world):
    w = world()
    future = dial(w, "tcp://192.0.2.9:7")
    w.sockets.finish_connect(w.sockets.dials[0].fd, to_itself=True)
    w.turns()
    with pytest.raises(ConnectionRefusedError, match=r"192\.0\.2\.9"):
        future.result(0)
    assert (w.handler.events, w.loop.connection_count, w.loop.metrics().dialled) == ([], 0, 0)
    assert w.poller.interests.keys() == {w.LISTENER}


# Datagrams, which are connected at once, and Unix sockets, which have one address.


def test_datagrams_go_on_to_the_next_address_that_can_be_reached(world, found):
    found(A, X)
    w = world()
    w.sockets.script_connects(errno.ENETUNREACH)
    conn = dial(w, "udp://many.example:7").result(0)
    assert (conn.remote_address.host, tried(w)) == ("2001:db8::1", [A, X])
    assert w.sockets.dials[1].kind == socket.SOCK_DGRAM


def test_a_name_service_error_of_a_strange_class_settles_the_dial(world, monkeypatch):
    class Strange(OSError):
        def __init__(self, only):
            super().__init__(errno.EIO, only)

    def resolve(address):
        raise Strange("odd")

    monkeypatch.setattr("netcore.eventloop.dialing.needs_lookup", lambda address: False)
    monkeypatch.setattr("netcore.eventloop.dialing.resolve", resolve)
    w = world()
    assert dial(w).exception(0).errno == errno.EIO

    monkeypatch.undo()

    def connect(*arguments):
        raise Strange("odd")

    monkeypatch.setattr(w.sockets, "connect", connect)
    error = dial(w, "tcp://192.0.2.9:7").exception(0)
    assert (error.errno, "192.0.2.9" in str(error)) == (errno.EIO, True)
