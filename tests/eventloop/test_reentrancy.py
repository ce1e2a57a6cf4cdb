"""Every thread-safe call may come in the midst of another: from a signal handler, or from a finalizer.

Both run between any two steps of the interpreter, on the thread that is there. So does a trace function: the
call is made at every line of netcore's that the other one passes, one run for each of them.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable

import each_line
import pytest
from each_line import at_every_line, is_ours

import netcore
from netcore import Action
from netcore._complaints import Complaints
from netcore.connection import Limits
from netcore.eventloop import TaskQueue, TimerHeap
from netcore.poll import available, open_poller
from netcore.testing import ManualClock

PACKAGE = os.path.dirname(netcore.__file__)
KERNELS = (os.path.join(PACKAGE, "testing"), os.path.join(PACKAGE, "_durations.py"))
"""The fakes, and what they call: a kernel's steps have no such lines."""


def counts(file: str) -> bool:
    return is_ours(file) and not file.startswith(KERNELS)


def interrupting(call: Callable[[], object], nested: Callable[[], object], number: int) -> bool:
    return each_line.interrupting(call, nested, number, counts)


class World:
    """A connection with something to do, and what one may call about it."""

    def __init__(self, make_world, **limits):
        self.called = []
        self.w = make_world(on_traffic=self.answer, on_eof=lambda conn: Action.CLOSE, limits=Limits(**limits))
        self.conn = self.w.connect()
        self.other = self.w.connect()

    def answer(self, conn):
        conn.write(conn.read())
        conn.async_write(b".", self.note("answered"))
        conn.loop.schedule(0, self.note("timer"))

    def note(self, name):
        return lambda *args: self.called.append((name, self.w.clock.now))

    def busy(self):
        """A turn in which there is something of each kind to do."""
        self.w.sockets.feed(self.conn.fd, b"data")
        self.w.sockets.feed_eof(self.other.fd)
        self.w.loop.execute(self.note("task"))
        self.w.loop.turn()

    def end(self):
        self.w.turns(3)
        self.w.loop.stop_now()
        self.w.turns(2)
        handler = self.w.handler
        for conn in (self.conn, self.other):
            assert handler.names(conn).count("on_open") == handler.names(conn).count("on_close") == 1
        assert not self.w.loop._closed, "the loop failed"
        assert set(self.w.poller.interests) <= {self.w.LISTENER}


ACTIONS = {
    "execute": lambda it: it.w.loop.execute(it.note("nested")),
    "schedule": lambda it: it.w.loop.schedule(0, it.note("nested")),
    "async_write": lambda it: it.conn.async_write(b"!", it.note("nested")),
    "async_writev": lambda it: it.other.async_writev((b"!", b"?"), it.note("nested")),
    "wake": lambda it: it.conn.wake(it.note("nested")),
    "close": lambda it: it.conn.close(it.note("nested")),
    "close the other": lambda it: it.other.close(it.note("nested")),
}
"""What is done in the end exactly once, and soon."""

OTHERS = {
    "abort": lambda it: it.conn.abort(),
    "cancel": lambda it: it.w.loop.schedule(5, it.note("never")).cancel(),
    "pause and resume": lambda it: (it.conn.pause_reading(), it.conn.resume_reading()),
    "facts": lambda it: (
        it.w.loop.connections(),
        it.w.loop.metrics(),
        it.w.loop.connection_count,
        it.w.loop.find(it.conn.id),
        it.conn.local_address,
        it.conn.remote_address,
        it.conn.close_reason,
        repr(it.conn),
    ),
    "stop": lambda it: it.w.loop.post(it.w.loop.stop, 1),
    "log": lambda it: it.w.loop.logger.info("nested"),
}


@pytest.mark.once
@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("edge_chunk", [0, 4096])
def test_at_every_line_of_a_busy_turn(world, name, edge_chunk):
    def run(number):
        it = World(world, edge_chunk=edge_chunk)
        found = interrupting(it.busy, lambda: ACTIONS[name](it), number)
        it.end()
        names = [called for called, _ in it.called]
        if found:
            assert names.count("nested") == 1, number
        assert names.count("task") == 1, number
        assert names.count("answered") == names.count("timer") <= 2, number
        return found

    assert at_every_line(run) > 100


@pytest.mark.once
@pytest.mark.parametrize("name", OTHERS)
def test_other_calls_at_every_line_of_a_busy_turn(world, name):
    def run(number):
        it = World(world)
        found = interrupting(it.busy, lambda: OTHERS[name](it), number)
        it.end()
        assert [called for called, _ in it.called].count("task") == 1
        return found

    assert at_every_line(run) > 100


@pytest.mark.parametrize("name", ACTIONS)
def test_a_loop_that_is_about_to_sleep_does_not(world, name):
    """What is asked for between its last look and the wait would else wait for the next event."""

    def run(number):
        it = World(world)
        it.w.loop.schedule(100, it.note("late"))
        asked = []

        def nested():
            asked.append(it.w.clock.now)
            ACTIONS[name](it)

        found = interrupting(it.w.loop.turn, nested, number)
        for _ in range(3):
            it.w.loop.turn(0)
        if found:
            assert [when for called, when in it.called if called == "nested"] == asked, number
        return found

    assert at_every_line(run) > 5


@pytest.mark.parametrize("name", ACTIONS)
def test_between_the_turns_of_a_hosted_loop(world, name):
    it = World(world)
    it.w.loop.next_deadline()
    ACTIONS[name](it)
    assert it.w.poller._woken, "the host does not know that a turn is due"


@pytest.mark.parametrize("outer", ACTIONS)
@pytest.mark.parametrize("inner", ACTIONS)
def test_a_call_in_the_midst_of_a_call(world, outer, inner):
    def run(number):
        it = World(world)
        found = interrupting(lambda: ACTIONS[outer](it), lambda: ACTIONS[inner](it), number)
        it.end()
        assert len([1 for called, _ in it.called if called == "nested"]) == 1 + found, number
        return found

    assert at_every_line(run) > 3


# The parts by themselves.


def test_a_put_while_the_queue_ends_is_run_or_refused_and_never_both():
    def run(number):
        queue, done, accepted = TaskQueue(), [], []

        def put(name):
            if queue.put(done.append, (name,)):
                accepted.append(name)

        put("before")
        found = interrupting(
            lambda: done.extend(task[2][0] for task in queue.end()), lambda: put("nested"), number
        )
        put("after")
        assert sorted(accepted) == sorted(done), number
        assert not queue.pending
        return found

    assert at_every_line(run) > 3


def test_an_end_while_a_task_is_put():
    def run(number):
        queue, done, accepted = TaskQueue(), [], []

        def put():
            if queue.put(int, ("outer",)):
                accepted.append("outer")

        found = interrupting(put, lambda: done.extend(task[2][0] for task in queue.end()), number)
        done.extend(task[2][0] for task in queue.end())
        assert accepted == done, number
        return found

    assert at_every_line(run) > 2


def test_puts_and_the_end_on_several_threads():
    for _ in range(50):
        queue, accepted, ran = TaskQueue(), [], []
        barrier = threading.Barrier(4)

        def put(name, queue=queue, accepted=accepted, barrier=barrier):
            barrier.wait()
            for i in range(200):
                if queue.put(int, ((name, i),)):
                    accepted.append((name, i))

        threads = [threading.Thread(target=put, args=(name,)) for name in range(3)]
        for thread in threads:
            thread.start()
        barrier.wait()
        ran = [task[2][0] for task in queue.end()]
        for thread in threads:
            thread.join()
        assert sorted(accepted) == sorted(ran)
        assert not queue.pending


@pytest.mark.parametrize("cancelled", [0, 200])
@pytest.mark.parametrize("when", [0.5, 1.5, 2.5])
def test_a_call_planned_while_the_heap_is_busy_is_neither_lost_nor_early(cancelled, when):
    def run(number):
        heap = TimerHeap()
        calls = [heap.plan(1.0 + i % 3, int, (i,)) for i in range(cancelled + 20)]
        for call in calls:
            heap.add(call)
        for call in calls[:cancelled]:
            call.cancel()
        nested = heap.plan(when, int, ("nested",))
        last = heap.plan(2.0, int, ("last",))
        due = []

        def busy():
            heap.next_time()
            heap.add(last)
            due.extend(heap.pop_due(2.0))

        found = interrupting(busy, lambda: heap.add(nested), number)
        assert all(call[0] <= 2.0 for call in due), number
        due += heap.pop_due(5.0)
        names = [planned[1][0] for call in due if (planned := call.take()) is not None]
        assert sorted(map(str, names)) == sorted(
            ["nested"] * found + ["last", *map(str, range(cancelled, cancelled + 20))]
        ), number
        return found

    assert at_every_line(run) > 20


@pytest.mark.parametrize("name", [name for name in available() if name != "iocp"])
@pytest.mark.parametrize("nested", ["wake", "close"])
def test_a_poller_woken_and_closed_in_the_midst_of_a_wake(open_descriptors, name, nested):
    before = open_descriptors()

    def run(number):
        poller = open_poller(name)
        try:
            found = interrupting(poller.wake, getattr(poller, nested), number)
        except ValueError:
            assert nested == "close"
            found = True
        poller.close()
        with pytest.raises(ValueError):
            poller.wake()
        return found

    assert at_every_line(run) > 3
    gc.collect()
    assert open_descriptors() <= before


def test_complaints_in_the_midst_of_a_complaint():
    def run(number):
        clock = ManualClock()
        complaints = Complaints(clock)
        said = []
        found = interrupting(
            lambda: said.append(complaints.due("x")), lambda: said.append(complaints.due("x")), number
        )
        clock.advance(100)
        said.append(complaints.due("x"))
        assert sum(said) == 2 + found, (number, said)
        return found

    assert at_every_line(run) > 5


def test_datagrams_have_one_number_whoever_asks():
    from netcore.connection.datagram.answer import DatagramConn

    class Port:
        outbox = None

    def run(number):
        conn = DatagramConn(Port(), b"", b"")
        ids = []
        found = interrupting(lambda: ids.append(conn.id), lambda: ids.append(conn.id), number)
        ids.append(conn.id)
        assert len(set(ids)) == 1, number
        return found

    assert at_every_line(run) > 3
