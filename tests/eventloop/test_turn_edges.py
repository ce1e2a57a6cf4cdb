"""What a turn must not get wrong when callbacks of one connection act on another."""

from __future__ import annotations

import decimal
import gc
import math
import pickle
import weakref

import pytest

from netcore import ConnectionClosedError
from netcore.buffer import VIEWS_ARE_COUNTED
from netcore.connection import Limits
from netcore.eventloop import PlannedCall


def congest(w, conn):
    w.sockets.block(conn.fd)
    conn.write(b"x" * 4000)
    w.turns()
    assert not conn.writable


@pytest.mark.parametrize("ending", ["close", "shutdown_write"])
def test_what_on_writable_writes_to_a_neighbour_leaves_before_it_closes(world, ending):
    def on_writable(conn):
        neighbour.write(b"all of it")
        getattr(neighbour, ending)()

    w = world(limits=Limits(high_water=2000, low_water=1000), on_writable=on_writable)
    conn, neighbour = w.connect(), w.connect()
    congest(w, conn)
    w.sockets.unblock(conn.fd)
    send, shut, close = w.sockets.send, w.sockets.shutdown_write, w.sockets.close
    order = []
    w.sockets.send = lambda fds, chunks: (order.append(("send", list(fds))), send(fds, chunks))[1]
    w.sockets.shutdown_write = lambda fd: (order.append(("end", fd)), shut(fd))[1]
    w.sockets.close = lambda fds: ([order.append(("end", fd)) for fd in fds], close(fds))[1]
    w.loop.execute(conn.pause_reading)
    w.loop.execute(neighbour.pause_reading)  # both are settled in one round, the neighbour second
    w.turns(3)
    sends = [i for i, (what, fds) in enumerate(order) if what == "send" and neighbour.fd in fds]
    ends = [i for i, (what, fd) in enumerate(order) if what == "end" and fd == neighbour.fd]
    assert w.sent(neighbour) == b"all of it"
    assert len(sends) == len(ends) == 1
    assert sends < ends, "the end came before the bytes"


def test_a_view_that_cannot_be_released_leaves_the_neighbours_their_bytes(world):
    holders, received = [], []

    def on_traffic(conn):
        if conn is first:
            holders.append(pickle.PickleBuffer(conn.next()))
        else:
            received.append(conn.read())

    w = world(on_traffic=on_traffic)
    first, second = w.connect(), w.connect()
    w.sockets.feed(first.fd, b"first")
    w.sockets.feed(second.fd, b"second")
    w.turns(2)
    assert received == [b"second"]
    if VIEWS_ARE_COUNTED:
        assert bytes(holders[0].raw()) == b"first"
    else:  # it was released all the same
        with pytest.raises(ValueError, match="released"):
            holders[0].raw()


def test_resume_in_the_turn_of_the_pause_loses_no_edge(world):
    def on_traffic(conn):
        received.append(conn.read())
        if len(received) == 1:
            conn.pause_reading()
            w.loop.execute(conn.resume_reading)

    received = []
    w = world(limits=Limits(edge_chunk=1 << 20), on_traffic=on_traffic)
    conn = w.connect()
    w.sockets.feed(conn.fd, b"one")
    w.sockets.feed(conn.fd, b"two")
    w.turns(5)
    assert received == [b"one", b"two"]


def test_resuming_what_is_not_paused_does_nothing(world):
    calls = []

    def on_traffic(conn):
        calls.append(conn.inbound_buffered)
        conn.resume_reading()

    w = world(on_traffic=on_traffic)
    conn = w.connect()
    w.feed(conn, b"half a frame")
    w.turns(10)
    assert len(calls) == 1, "the loop spins"


def test_a_closed_connection_is_not_kept_by_its_deadlines(world):
    w = world(limits=Limits(idle_timeout=3600))
    conn = w.connect()
    w.feed(conn, b"x")
    conn.close()
    w.turns(2)
    w.handler.events.clear()
    gone = weakref.ref(conn)
    del conn
    gc.collect()
    assert gone() is None


def test_a_timer_cancelled_between_being_due_and_being_run(world, caplog):
    """Another thread may cancel at any moment, also between the two looks of the loop."""

    class Racing(PlannedCall):
        def __getitem__(self, index):
            found = super().__getitem__(index)
            if callable(found) and not raced and not w.loop._agenda._timers.entries:  # taken out, not yet run
                raced.append(found)
                self.cancel()
            return found

    raced = []
    calls = []
    w = world()
    timers = w.loop._agenda._timers
    timers.add(Racing(timers.plan(w.clock() + 1, calls.append, ("ran",))))
    w.loop.turn()
    assert raced
    assert "failed" not in caplog.text


@pytest.mark.parametrize("delay", [math.nan, decimal.Decimal(1), "1", None, True, 1j, [1]])
def test_a_delay_that_is_no_number_is_refused(world, delay):
    w = world()
    calls = []
    with pytest.raises(ValueError if delay.__class__ is float else TypeError, match="a delay is"):
        w.loop.schedule(delay, calls.append, 1)
    w.loop.schedule(1, calls.append, 2)
    w.turns(1)
    w.clock.advance(2)
    w.turns(2)
    assert calls == [2]


@pytest.mark.parametrize("delay", [math.inf, 1e300, 10**400])
def test_an_endless_delay_is_never_over_and_nobody_waits_for_it(world, delay):
    w = world()
    calls = []
    timer = w.loop.schedule(delay, calls.append, 1)
    w.loop.schedule(1, calls.append, 2)
    w.turns(1)
    w.clock.advance(1e9)
    w.turns(2)
    assert calls == [2]
    assert w.loop.metrics().timers_armed == 0
    assert w.loop.next_deadline() is None
    timer.cancel()
    assert w.loop.metrics().timers_armed == 0


@pytest.mark.parametrize("delay", [-1, -0.5, -math.inf, -(10**400), 0])
def test_a_negative_delay_is_over_at_once(world, delay):
    w = world()
    calls = []
    w.loop.schedule(delay, calls.append, 1)
    w.turns(2)
    assert calls == [1]


@pytest.mark.parametrize("function", [None, 3, "print", object()])
def test_what_cannot_be_called_is_refused_at_once(world, function):
    w = world()
    for call in (w.loop.execute, lambda f: w.loop.schedule(0, f)):
        with pytest.raises(TypeError, match="cannot be called"):
            call(function)
    assert w.loop.metrics().tasks_pending == w.loop.metrics().timers_armed == 0


@pytest.mark.parametrize("timeout", [math.nan, -1, decimal.Decimal(0), "0", True])
def test_a_turn_takes_seconds(world, timeout):
    w = world()
    with pytest.raises(ValueError if type(timeout) in (int, float) else TypeError, match="a timeout is"):
        w.loop.turn(timeout)
    w.turns(2)


@pytest.mark.parametrize("timeout", [math.inf, 1e308, 10**400])
def test_an_endless_turn_waits_for_what_is_planned(world, timeout):
    w = world()
    calls = []
    w.loop.schedule(7, calls.append, 1)
    w.loop.turn(timeout)
    assert calls == [1]


def test_a_timer_that_has_run_is_not_counted_as_cancelled(world):
    w = world()
    timer = w.loop.schedule(1, int)
    w.loop.turn()
    timer.cancel()
    assert w.loop._agenda._timers.cancelled == 0


@pytest.mark.parametrize("name", ["on_open", "on_traffic", "on_close"])
def test_an_exit_in_a_callback_loses_no_on_close_and_no_callback(world, name):
    """``sys.exit()`` in a handler ends the engine, but in order."""

    def leave(conn, *args):
        raise SystemExit(1)

    notified = []
    shared = {"shutdown": lambda: w.loop.post(w.loop.stop, 1)}
    w = world(**{name: leave}, shared=shared) if name != "on_open" else world(shared=shared)
    conns = [w.connect() for _ in range(3)]
    if name == "on_open":
        w.handler._callbacks["on_open"] = leave
        w.sockets.connect(w.LISTENER)
    elif name == "on_traffic":
        for conn in conns:
            w.sockets.feed(conn.fd, b"x")
    for conn in conns:
        conn.close(lambda c, error: notified.append(c)) if name == "on_close" else conn.wake(
            lambda c, error: notified.append(c)
        )
    w.loop.run()
    assert w.handler.names().count("on_close") == w.handler.names().count("on_open")
    assert sorted(c.id for c in notified) == [c.id for c in conns]
    assert not w.poller.interests


def test_an_exit_in_a_task_loses_no_other_task(world):
    def leave():
        raise SystemExit(1)

    w = world(shared={"shutdown": lambda: w.loop.post(w.loop.stop, 1)})
    conn = w.connect()
    notified = []
    w.loop.execute(leave)
    conn.async_write(b"x", lambda c, error: notified.append(error))
    w.loop.run()
    assert len(notified) == 1
    assert w.handler.names(conn) == ["on_open", "on_close"]


def test_an_answer_without_a_truth_value_does_not_end_the_loop(world, caplog):
    class Array:
        def __bool__(self):
            raise ValueError("ambiguous")

    w = world(on_traffic=lambda conn: conn.read() and Array())
    conn = w.connect()
    w.feed(conn, b"x")
    w.turns()
    w.feed(conn, b"y")
    assert w.handler.names(conn).count("on_traffic") == 2


def test_read_into_what_cannot_be_written_takes_nothing(world):
    errors = []

    def on_traffic(conn):
        try:
            conn.read_into(bytes(3))
        except TypeError as error:
            errors.append(error)
        received.append(conn.read())

    received = []
    w = world(on_traffic=on_traffic)
    w.feed(w.connect(), b"abc")
    assert len(errors) == 1
    assert received == [b"abc"]


def test_asynchronous_calls_after_the_end_report_in_debug_mode_too(world):
    w = world(shared={"debug": True})
    conn = w.connect()
    w.loop.stop_now()
    w.loop.close()
    errors = []
    conn.async_write(b"x", lambda c, error: errors.append(error))
    conn.async_writev([b"x"], lambda c, error: errors.append(error))
    conn.wake(lambda c, error: errors.append(error))
    conn.close(lambda c, error: errors.append(error))
    conn.pause_reading()
    conn.resume_reading()
    assert [type(error) for error in errors] == [ConnectionClosedError] * 3 + [type(None)]


def test_a_listener_that_the_poller_refuses_is_tried_again(world, caplog):
    w = world()
    w.loop.poller.unregister(w.LISTENER)
    w.acceptor._watching = False
    register, refused = w.poller.register, []

    def refuse_once(fd, interest):
        if not refused:
            refused.append(fd)
            raise OSError(28, "No space left on device")
        register(fd, interest)

    w.poller.register = refuse_once
    w.loop.execute(w.acceptor.start)
    w.loop.turn()
    w.clock.advance(1)
    w.turns(2)
    assert w.LISTENER in w.poller.interests


def test_refusing_begins_at_the_limit_and_not_before(world):
    """Two loops accept at the same moment: neither may take the other's places while it asks the kernel."""
    from netcore.eventloop import Gate

    gate = Gate(3, refuse=True)
    one = world(shared={"gate": gate})
    two = world(shared={"gate": gate})
    accept = one.sockets.accept

    def slow_accept(fd, limit):
        two.sockets.connect(two.LISTENER)
        two.loop.claim()
        two.turns(2)
        one.loop.claim()
        return accept(fd, limit)

    one.sockets.accept = slow_accept
    one.sockets.connect(one.LISTENER)
    one.loop.turn()
    one.sockets.accept = accept
    assert two.sockets.resets == []
    assert two.loop.connection_count == 1


def test_a_loop_that_sleeps_is_woken_once_however_many_tasks_come(world):
    w = world()
    w.turns()
    wakes, wake = [], w.poller.wake

    def fail():
        wakes.append("failed")
        w.poller.wake = lambda: (wakes.append("woken"), wake())[1]
        raise OSError("not now")

    w.poller.wake = fail
    ran = []
    assert w.loop.next_deadline() is None  # from here on it counts as sleeping
    for i in range(4):
        w.loop.execute(ran.append, i)
    assert wakes == ["failed", "woken"]
    w.turns()
    assert ran == [0, 1, 2, 3]
    w.loop.next_deadline()  # another sleep
    w.loop.execute(ran.append, 4)
    assert wakes == ["failed", "woken", "woken"]
