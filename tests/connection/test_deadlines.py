"""Deadlines, on a manual clock."""

from __future__ import annotations

import decimal
import math

import pytest

from netcore import Action, CloseReason, Timeout
from netcore.connection import Deadlines, Limits
from netcore.eventloop.timers import TimerHeap
from netcore.eventloop.wheel import TimingWheel
from netcore.testing import ManualClock

SLACK = 1 / 16  # two slots of the wheel


def pass_time(w, seconds, step=0.5):
    """Lets time pass in steps, with a turn in each."""
    end = w.clock.now + seconds
    while w.clock.now < end - 1e-9:
        w.clock.advance(min(step, end - w.clock.now))
        w.turns()


@pytest.mark.parametrize(
    ("arm", "kind"),
    [
        (lambda conn: conn.set_deadline(5), Timeout.IDLE),
        (lambda conn: conn.set_read_deadline(5), Timeout.READ),
    ],
)
def test_silence_closes_after_the_period_and_not_before(world, arm, kind):
    w = world()
    conn = w.connect()
    arm(conn)
    pass_time(w, 4.9)
    assert not conn.closed
    pass_time(w, 0.1 + SLACK)
    assert w.handler.details("on_timeout") == [kind]
    assert w.handler.names(conn) == ["on_open", "on_timeout", "on_close"]
    assert isinstance(w.handler.details("on_close")[0], TimeoutError)
    assert conn.close_reason is CloseReason.TIMEOUT


def test_receiving_puts_idle_and_read_off(world):
    w = world()
    conn = w.connect()
    conn.set_deadline(2)
    conn.set_read_deadline(2)
    for _ in range(10):
        pass_time(w, 1.5)
        w.feed(conn, b"x")
    assert not conn.closed
    pass_time(w, 2 + SLACK)
    assert conn.closed


def test_sending_puts_idle_off_but_not_read(world):
    w = world(on_timeout=lambda conn, kind: Action.NONE)
    conn = w.connect()
    conn.set_deadline(2)
    conn.set_read_deadline(4)
    for _ in range(6):
        pass_time(w, 1.5)
        conn.write(b"x")
        w.turns()
    assert set(w.handler.details("on_timeout")) == {Timeout.READ}


def test_the_write_deadline_runs_only_while_output_waits_without_progress(world):
    w = world(on_timeout=lambda conn, kind: Action.NONE)
    conn = w.connect()
    conn.set_write_deadline(2)
    pass_time(w, 10)
    assert w.handler.details("on_timeout") == []
    w.sockets.block(conn.fd)
    conn.write(b"x" * 100)
    for _ in range(5):  # slow, but progressing
        pass_time(w, 1.5)
        w.sockets.block(conn.fd, after=10)
        w.sockets._poller.set_ready(conn.fd, 2)
        w.turns()
    assert w.handler.details("on_timeout") == []
    assert conn.outbound_buffered == 50
    w.sockets.block(conn.fd)
    pass_time(w, 2 + SLACK)
    assert w.handler.details("on_timeout") == [Timeout.WRITE]
    pass_time(w, 2 + SLACK)
    assert w.handler.details("on_timeout") == [Timeout.WRITE] * 2
    w.sockets.unblock(conn.fd)
    pass_time(w, 10)
    assert w.handler.details("on_timeout") == [Timeout.WRITE] * 2
    assert len(w.sent(conn)) == 100


def test_a_write_deadline_set_while_output_waits(world):
    w = world()
    conn = w.connect()
    w.sockets.block(conn.fd)
    conn.write(b"stuck")
    w.turns()
    conn.set_write_deadline(1)
    w.turns()
    pass_time(w, 1 + SLACK)
    assert w.handler.details("on_timeout") == [Timeout.WRITE]


def test_a_slow_but_progressing_peer_is_not_idle(world):
    w = world()
    conn = w.connect()
    conn.set_deadline(2)
    w.sockets.block(conn.fd)
    conn.write(b"x" * 100)
    for _ in range(9):
        pass_time(w, 1.5)
        w.sockets.block(conn.fd, after=10)
        w.sockets._poller.set_ready(conn.fd, 2)
        w.turns()
    assert not conn.closed


def test_deadlines_stay_armed_after_on_timeout(world):
    w = world(on_timeout=lambda conn, kind: Action.NONE)
    conn = w.connect()
    conn.set_deadline(1)
    pass_time(w, 5.5)
    assert w.handler.details("on_timeout") == [Timeout.IDLE] * 5


def test_disarming_and_rearming(world):
    w = world()
    conn = w.connect()
    conn.set_deadline(None)
    conn.set_deadline(1)
    conn.set_deadline(None)
    pass_time(w, 5)
    assert not conn.closed
    conn.set_deadline(10)
    pass_time(w, 1)
    conn.set_deadline(1)  # earlier than where the wheel has it
    pass_time(w, 1 + SLACK)
    assert conn.closed


@pytest.mark.parametrize("seconds", [0, -1, math.nan, -math.inf, True, "1", decimal.Decimal(1), b"1"])
@pytest.mark.parametrize("method", ["set_deadline", "set_read_deadline", "set_write_deadline"])
def test_bad_deadlines(world, method, seconds):
    w = world(on_timeout=lambda conn, kind: Action.NONE)
    conn = w.connect()
    getattr(conn, method)(2)
    right = ValueError if type(seconds) in (int, float) else TypeError
    with pytest.raises(right, match="a deadline is"):
        getattr(conn, method)(seconds)
    w.sockets.block(conn.fd)
    conn.write(b"x")
    w.turns()
    pass_time(w, 2 + SLACK)
    assert len(w.handler.details("on_timeout")) == 1, "it has changed the deadline that was there"


@pytest.mark.parametrize("seconds", [math.inf, 1e308, 10**400, 1e10])
def test_endless_deadlines_are_never_met(world, seconds):
    w = world()
    conn = w.connect()
    for method in (conn.set_deadline, conn.set_read_deadline, conn.set_write_deadline):
        method(1)
        method(seconds)
    pass_time(w, 100, step=20)
    assert w.handler.names(conn) == ["on_open"]
    conn.set_deadline(1)
    pass_time(w, 1 + SLACK)
    assert conn.closed


@pytest.mark.parametrize("filtered", [False, True], ids=["plain", "filtered"])
def test_a_write_deadline_does_not_wait_for_what_the_peer_does_not_take(world, toys, filtered):
    w = world(limits=Limits(close_timeout=1000))
    conn = w.connect()
    if filtered:
        conn.put_on(toys.ToyFilter())
    conn.set_write_deadline(2)
    w.sockets.block(conn.fd)
    conn.write(b"x" * 100)
    w.turns()
    pass_time(w, 2 + SLACK)
    assert w.handler.names(conn) == ["on_open", "on_timeout", "on_close"]
    assert isinstance(w.handler.details("on_close")[0], TimeoutError)
    assert conn.close_reason is CloseReason.TIMEOUT
    assert w.sockets.resets == [conn.fd]


def test_another_deadline_lets_the_peer_take_what_is_left(world):
    w = world(limits=Limits(close_timeout=1000))
    conn = w.connect()
    conn.set_read_deadline(2)
    w.sockets.block(conn.fd)
    conn.write(b"x" * 100)
    pass_time(w, 2 + SLACK)
    assert w.handler.names(conn) == ["on_open", "on_timeout"]
    w.sockets.unblock(conn.fd)
    w.sockets._poller.set_ready(conn.fd, 2)
    w.turns(2)
    assert len(w.sent(conn)) == 100
    assert w.sockets.closed == [conn.fd]
    assert conn.close_reason is CloseReason.TIMEOUT


def test_idle_timeout_is_for_every_connection(world):
    w = world(limits=Limits(idle_timeout=3))
    conns = [w.connect() for _ in range(50)]
    pass_time(w, 2)
    w.feed(conns[0], b"alive")
    pass_time(w, 1 + SLACK)
    assert [conn.closed for conn in conns] == [False] + [True] * 49


def test_closing_ends_the_deadlines(world):
    w = world()
    conn = w.connect()
    conn.set_deadline(1)
    conn.close()
    w.turns()
    pass_time(w, 5)
    assert w.handler.details("on_timeout") == []
    conn.set_deadline(1)
    pass_time(w, 5)
    assert w.handler.details("on_timeout") == []


@pytest.mark.parametrize("end", ["eof", "close", "abort"])
def test_deadlines_go_with_their_connections(world, end):
    """Left to their slot, those of short connections would be a minute's worth of garbage."""
    w = world(limits=Limits(idle_timeout=60), on_eof=lambda conn: Action.CLOSE)
    stays, goes = w.connect(), w.connect()
    w.sockets.feed_eof(goes.fd) if end == "eof" else getattr(goes, end)()
    w.turns(2)
    assert goes.closed
    planned = [each for slot in w.loop._agenda._wheel._slots.values() for each in slot]
    assert planned == [stays.deadlines]
    assert goes.deadlines.slot is None
    pass_time(w, 60 + SLACK)
    assert stays.close_reason is CloseReason.TIMEOUT
    assert w.handler.details("on_timeout") == [Timeout.IDLE]


def test_deadlines_that_are_taken_out_while_their_slot_is_looked_at():
    """What one of them is told may end the connection of the next."""
    clock, told = ManualClock(), []
    heap = TimerHeap()
    wheel = TimingWheel(heap, lambda: clock.now)

    def timed_out(name, neighbour):
        told.append(name)
        wheel.unplan(both[neighbour])

    both = {
        name: Deadlines(clock.now, lambda kind, name=name, neighbour=neighbour: timed_out(name, neighbour))
        for name, neighbour in [("first", "second"), ("second", "first")]
    }
    for deadlines in both.values():
        deadlines.set(Timeout.IDLE, 1, clock.now)
        wheel.plan(deadlines)
    clock.advance(1 + SLACK)
    for call in heap.pop_due(clock.now, 9):
        function, args = call.take()
        function(*args)
    assert told == ["first"]
    assert both["second"].slot is None
    assert [each for slot in wheel._slots.values() for each in slot] == [both["first"]]


def test_an_exception_in_on_timeout_goes_to_on_error(world):
    w = world(on_timeout=lambda conn, kind: 1 / 0)
    conn = w.connect()
    conn.set_deadline(1)
    pass_time(w, 2)
    assert w.handler.names(conn) == ["on_open", "on_timeout", "on_error", "on_close"]


def test_many_deadlines_need_few_timers(world):
    w = world()
    conns = [w.connect() for _ in range(300)]
    for conn in conns:
        conn.set_deadline(30)
    for _ in range(20):
        w.clock.advance(0.1)
        for conn in conns[::10]:
            w.sockets.feed(conn.fd, b"x")
        w.turns()
    assert len(w.loop._agenda._timers.entries) < 10


def test_progress_is_stamped_without_settling(world):
    """Deadlines must not put every message through what only stalled output needs."""
    w = world(on_traffic=lambda conn: (conn.write(conn.read()), None)[1])
    conn = w.connect()
    conn.set_deadline(2)
    w.turns()
    settled = []
    settle_later = w.loop.settle_later
    w.loop.settle_later = lambda conn: (settled.append(conn), settle_later(conn))
    for _ in range(6):
        pass_time(w, 1.5)
        w.feed(conn, b"x")
    assert not conn.closed
    assert settled == []
    pass_time(w, 2 + SLACK)
    assert conn.closed


def test_a_write_that_the_kernel_refuses_whole_is_no_progress(world):
    w = world(on_timeout=lambda conn, kind: Action.NONE)
    conn = w.connect()
    conn.set_deadline(2)
    pass_time(w, 1.5)
    w.sockets.block(conn.fd)
    conn.write(b"nobody takes this")
    pass_time(w, 0.5 + SLACK)
    assert w.handler.details("on_timeout") == [Timeout.IDLE]
