"""The turn of a loop, its tasks and timers, on a fake poller and a manual clock."""

from __future__ import annotations

import errno
import math
import threading

import pytest

from netcore import Action, EngineNotRunningError
from netcore.eventloop import Gate, TimerHeap
from netcore.testing import FakeSockets


class CountingSockets(FakeSockets):
    """Counts its batch calls."""

    def __init__(self, *args):
        super().__init__(*args)
        self.calls = []

    def accept(self, fd, limit):
        self.calls.append("accept")
        return super().accept(fd, limit)

    def receive(self, fds):
        self.calls.append("receive")
        return super().receive(fds)

    def send(self, fds, chunks):
        self.calls.append("send")
        return super().send(fds, chunks)


def test_a_turn_makes_few_calls_whatever_the_number_of_sockets(world, half):
    w = world(on_traffic=lambda conn: conn.write(conn.read()), sockets=CountingSockets)
    conns = [w.connect() for _ in range(200)]
    w.sockets.calls.clear()
    waits = []
    wait = w.poller.wait
    w.poller.wait = lambda timeout: (waits.append(timeout), wait(timeout))[1]
    for conn in conns:
        w.sockets.feed(conn.fd, b"ping")
    w.loop.turn()
    assert len(waits) == 1
    # C receives a chunk, answers it and sends that while all of it is in the cache, and then the next chunk.
    assert w.sockets.calls == ["receive", "send"] * (1 if half == "python" else math.ceil(200 / 64))
    assert all(w.sent(conn) == b"ping" for conn in conns)


@pytest.mark.python_half
def test_a_turn_with_one_event_is_one_of_single_sockets(world):
    calls = []

    class Single(FakeSockets):
        def receive_one(self, fd):
            calls.append(("receive", fd))
            return super().receive([fd])[0]

        def send_one(self, fd, chunk):
            calls.append(("send", fd))
            exceptions = super().send([fd], [chunk])
            return exceptions[0][1] if exceptions else 0

    w = world(on_traffic=lambda conn: conn.write(conn.read()), sockets=Single)
    one, other = w.connect(), w.connect()
    calls.clear()
    w.feed(one, b"alone")
    assert calls == [("receive", one.fd), ("send", one.fd)]
    w.sockets.feed(one.fd, b", not")
    w.feed(other, b"together")
    assert len(calls) == 2
    w.sockets.block(other.fd, after=3)
    w.feed(other, b", briefly")
    assert calls[2:] == [("receive", other.fd), ("send", other.fd)]
    assert (w.sent(one), w.sent(other)) == (b"alone, not", b"together, b")
    w.sockets.unblock(other.fd)
    w.loop.turn()
    assert w.sent(other) == b"together, briefly"


def test_what_comes_alone_for_a_paused_connection_is_kept(world):
    w = world()
    conn = w.connect()
    w.sockets.feed(conn.fd, b"early")
    w.loop._intake.wait(0)
    conn.pause_reading()  # in between, as a finalizer may
    w.loop._intake.serve()
    assert conn.inbound_buffered == 5
    assert not w.handler.details("on_traffic")
    conn.resume_reading()
    w.turns()
    assert w.handler.received() == b"early"


def test_a_test_whose_loop_would_wait_for_ever_is_told_so(world):
    w = world()
    with pytest.raises(AssertionError, match="for ever"):
        w.loop.turn()


def test_tasks_run_first_in_first_out_and_failing_ones_are_logged(world, caplog):
    w = world()
    ran = []
    w.loop.execute(ran.append, 1)
    w.loop.execute(lambda: 1 / 0)
    w.loop.execute(ran.append, 2)
    w.loop.turn()
    assert ran == [1, 2]
    assert "ZeroDivisionError" in caplog.text


def test_views_given_to_a_task_are_released_after_it(world):
    w = world(on_traffic=lambda conn: None)
    conn = w.connect()
    w.feed(conn, b"abc")
    views = []
    w.loop.execute(lambda: views.append(conn.peek()))
    w.loop.turn()
    with pytest.raises(ValueError, match="released"):
        bytes(views[0])


def test_a_flood_of_tasks_does_not_starve_connections(world):
    w = world(on_traffic=lambda conn: conn.write(conn.read()))
    conn = w.connect()
    turns = []

    def again():
        turns.append(1)
        w.loop.execute(again)

    for _ in range(5000):
        w.loop.execute(again)
    w.sockets.feed(conn.fd, b"ping")
    w.loop.turn()
    assert w.sent(conn) == b"ping"
    assert len(turns) < 5000


def test_accepting_is_bounded_per_turn(world):
    w = world()
    for _ in range(300):
        w.sockets.connect(w.LISTENER)
    counts = []
    while w.loop.connection_count < 300:
        before = w.loop.connection_count
        w.loop.turn()
        counts.append(w.loop.connection_count - before)
    assert max(counts) <= 64


def test_timers_run_in_order_and_equal_times_in_the_order_planned(world):
    w = world()
    ran = []
    for delay, name in ((2, "c"), (1, "a"), (1, "b"), (3, "d")):
        w.loop.schedule(delay, ran.append, name)
    w.loop.schedule(0.5, lambda: 1 / 0)
    start = w.clock.now
    while len(ran) < 4:
        w.loop.turn()
    assert ran == ["a", "b", "c", "d"]
    assert w.clock.now - start == 3


def test_cancelled_timers_do_not_run_even_if_due_in_the_same_turn(world):
    w = world()
    ran = []
    second = None
    w.loop.schedule(1, lambda: second.cancel())
    second = w.loop.schedule(1, ran.append, "second")
    third = w.loop.schedule(1, ran.append, "third")
    w.loop.turn()
    assert ran == ["third"]
    third.cancel()
    second.cancel()


def test_cancelled_timers_are_thrown_away():
    heap = TimerHeap()
    kept = []
    for i in range(100_000):
        call = heap.plan(float(i), int, ())
        heap.add(call)
        if i % 1000:
            call.cancel()
        else:
            kept.append(call)
    assert len(heap.entries) < 1000
    assert heap.pop_due(1e9) == kept


def test_a_negative_delay_is_now(world):
    w = world()
    ran = []
    w.loop.schedule(-5, ran.append, 1)
    w.loop.turn()
    assert ran == [1]


def test_a_tick_of_time_passes_between_turns_without_events(world):
    w = world()
    w.loop.schedule(0.0003, int)
    before = w.clock.now
    w.loop.turn()
    assert w.clock.now == pytest.approx(before + 0.0003)


def test_a_loop_that_has_ended_refuses_tasks(world):
    w = world()
    calls = []
    conn = w.connect()
    w.loop.stop(10)
    w.loop.run()
    assert w.handler.names(conn) == ["on_open", "on_close"]
    with pytest.raises(EngineNotRunningError):
        w.loop.execute(int)
    with pytest.raises(EngineNotRunningError):
        w.loop.schedule(1, int)
    conn.async_write(b"x", lambda c, error: calls.append(error))
    conn.close(lambda c, error: calls.append(error))
    assert [type(error).__name__ for error in calls] == ["ConnectionClosedError", "NoneType"]


def test_stop_closes_gracefully_then_by_force(world):
    w = world()
    quick, stuck = w.connect(), w.connect()
    w.sockets.block(stuck.fd)
    stuck.write(b"never taken")
    start = w.clock.now
    w.loop.execute(w.loop.stop, 2)
    w.loop.run()
    assert w.clock.now - start == pytest.approx(2)
    assert w.sockets.closed == [w.LISTENER, quick.fd]
    assert w.sockets.resets == [stuck.fd]
    assert {event.conn: type(event.detail) for event in w.handler.events if event.name == "on_close"} == {
        quick: type(None),
        stuck: TimeoutError,
    }
    assert w.cleanups == 1


def test_connections_that_come_while_stopping_are_refused(world):
    w = world()
    stuck = w.connect()
    w.sockets.block(stuck.fd)
    stuck.write(b"x")
    w.loop.stop(10)
    w.loop.hand_over(77, b"", w.acceptor.listener)
    w.loop.admit([(78, b"")], w.acceptor.listener)
    w.turns()
    assert w.sockets.resets == [78, 77]
    assert w.handler.names().count("on_open") == 1


def test_tasks_left_at_the_end_still_run(world):
    w = world()
    ran = []

    def last():
        w.loop.stop_now()
        w.loop.execute(ran.append, "after")

    w.loop.execute(last)
    w.loop.run()
    assert ran == ["after"]


def test_a_poller_that_fails_ends_the_loop_and_says_so(world, caplog):
    stops = []
    w = world()
    conn = w.connect()
    object.__setattr__(w.loop.shared, "shutdown", lambda: stops.append(1))

    def broken(timeout):
        raise OSError(errno.EIO, "broken")

    w.poller.wait = broken
    w.loop.run()
    assert stops == [1]
    assert w.handler.names(conn) == ["on_open", "on_close"]
    assert "loop 0 failed" in caplog.text


@pytest.mark.parametrize("name", ["on_open", "on_traffic", "on_eof", "on_close"])
def test_shutdown_from_a_callback_reaches_the_engine(world, name):
    stops = []
    w = world(**{name: lambda *args: Action.SHUTDOWN}, shared={"shutdown": lambda: stops.append(1)})
    conn = w.connect()
    w.sockets.feed(conn.fd, b"x")
    w.sockets.feed_eof(conn.fd)
    w.turns(3)
    conn.close()
    w.turns(1)
    assert stops


def test_accept_errors_pause_and_resume_accepting(world, caplog):
    w = world()
    conn = w.connect()
    for _ in range(3):
        w.sockets.fail_accept(w.LISTENER, errno.ENOBUFS)
    w.turns()
    assert w.LISTENER not in w.poller.interests
    w.feed(conn, b"still served")
    assert w.handler.received() == b"still served"
    waiting = w.sockets.connect(w.LISTENER)
    start = w.clock.now
    while not w.hosts(waiting):
        w.loop.turn()
    assert w.clock.now - start == pytest.approx(0.3), "it did not back off"
    assert caplog.text.count("cannot accept") == 1


def test_the_gate_pauses_accepting_at_the_limit(world):
    w = world(shared={"gate": Gate(2, refuse=False)})
    first, second = w.connect(), w.connect()
    third = w.sockets.connect(w.LISTENER)
    w.turns(3)
    assert not w.hosts(third)
    assert w.LISTENER not in w.poller.interests
    second.close()
    w.turns(3)
    assert w.hosts(third)
    assert not first.closed


def test_the_gate_refuses_beyond_the_limit(world):
    w = world(shared={"gate": Gate(1, refuse=True)})
    first = w.connect()
    second = w.sockets.connect(w.LISTENER)
    w.turns(2)
    assert w.sockets.resets == [second]
    first.close()
    w.turns(2)
    third = w.connect()
    assert not third.closed


def test_debug_mode_checks_the_thread(world):
    from netcore import WrongThreadError

    w = world(shared={"debug": True})
    conn = w.connect()
    errors = []

    def misuse():
        for call in (conn.read, lambda: conn.write(b"x"), lambda: conn.peek(), lambda: conn.inbound_buffered):
            try:
                call()
            except WrongThreadError as error:
                errors.append(str(error))
        conn.async_write(b"allowed")

    thread = threading.Thread(target=misuse, name="stranger")
    thread.start()
    thread.join()
    assert len(errors) == 4
    assert all("stranger" in text for text in errors)
    w.turns()
    assert w.sent(conn) == b"allowed"


def test_debug_mode_warns_of_a_slow_callback(world, caplog, monkeypatch):
    times = iter([0.0, 0.25] + [1.0] * 100)
    monkeypatch.setattr("netcore.eventloop.debug.time.perf_counter", lambda: next(times))
    w = world(shared={"debug": True})
    w.connect()
    assert "on_open held its loop for 0.250 s" in caplog.text


def test_a_descriptor_that_cannot_be_attached_gives_its_place_back(world):
    class Unattachable(FakeSockets):
        def attach(self, fd):
            if fd != 50:
                raise OSError(errno.ENOMEM, "no memory")

    gate = Gate(1, refuse=True)
    w = world(shared={"gate": gate}, sockets=Unattachable)
    w.sockets.connect(w.LISTENER)
    w.turns(2)
    assert not w.handler.events
    assert (w.loop.connection_count, gate.take(2, int)) == (0, 1)
