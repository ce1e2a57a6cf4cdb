"""Turns that follow each other in C, as on a loop's own thread: what ends them, and who is not forgotten."""

from __future__ import annotations

import pytest

from netcore import Action


class Scripted:
    """Lets something happen at each wait, and then tells of nothing more."""

    def __init__(self, world, *steps):
        self.steps = list(steps)
        self.waits = []
        wait = world.poller.wait

        def waiting(timeout):
            self.waits.append(timeout)
            if self.steps:
                self.steps.pop(0)()
                return wait(0.0)
            return []

        world.poller.wait = waiting


def feeding(w, *conns):
    return lambda: [w.sockets.feed(conn.fd, b"ping") for conn in conns]


@pytest.fixture
def echoing(world):
    w = world(on_traffic=lambda conn: conn.write(conn.read()) and None)
    return w, w.connect(), w.connect()


def test_they_go_on_while_there_are_messages_alone(echoing, half):
    w, one, other = echoing
    script = Scripted(w, feeding(w, one), feeding(w, one, other), feeding(w, other))
    before = w.loop.metrics().turns
    for _ in range(4):
        if script.steps or len(script.waits) < 4:
            w.loop._turn.run(goes_on=True)
    assert (w.sent(one), w.sent(other)) == (b"pingping", b"pingping")
    assert len(script.waits) == 4
    assert w.loop.metrics().turns - before == 4


def test_newcomers_come_in_between(echoing, half):
    w, one, other = echoing
    came = []

    def arrive():
        came.extend(w.sockets.connect(w.LISTENER) for _ in range(2))
        w.sockets.feed(one.fd, b"ping")

    def talk():
        for fd in (*came, other.fd):
            w.sockets.feed(fd, b"hello")

    script = Scripted(w, feeding(w, one), arrive, talk)
    before = w.loop.metrics()
    rounds = 0
    while script.steps or len(script.waits) < 4:
        w.loop._turn.run(goes_on=True)
        rounds += 1
    assert rounds == (1 if half == "hot" else 4)
    assert [bytes(w.sockets.sent[fd]) for fd in came] == [b"hello", b"hello"]
    assert (w.sent(one), w.sent(other)) == (b"pingping", b"hello")
    after = w.loop.metrics()
    assert (after.turns - before.turns, after.accepted - before.accepted) == (4, 2)
    assert after.events - before.events == 1 + 2 + 3


def test_a_task_ends_them_and_what_it_writes_leaves_with_the_answers(world):
    batches = []

    def on_traffic(conn):
        conn.write(conn.read())
        w.loop.execute(other.write, b"from a task")

    w = world(on_traffic=on_traffic)
    one, other = w.connect(), w.connect()
    send = w.sockets.send
    w.sockets.send = lambda fds, chunks: (batches.append(list(fds)), send(fds, chunks))[1]
    Scripted(w, feeding(w, one))
    w.loop._turn.run(goes_on=True)
    assert batches == [[one.fd, other.fd]]


def test_a_task_that_comes_just_before_the_loop_sleeps_is_not_forgotten(echoing, monkeypatch):
    """As of a finalizer, or another thread, which may run whenever an object is made."""
    w, one, _ = echoing
    done = []

    class Turn(type(w.loop._turn)):
        stored = None

        @property
        def sleep(self):
            return self.stored

        @sleep.setter
        def sleep(self, sleep):
            if sleep is not None and w.sent(one) and not done:
                done.append("posted")
                w.loop.execute(done.append, "done")  # nobody is told to wake it: it does not sleep yet
            self.stored = sleep

    del w.loop._turn.sleep
    w.loop._turn.__class__ = Turn
    Scripted(w, feeding(w, one))
    wait, slept = w.poller.wait, []
    w.poller.wait = lambda timeout: (slept.append(timeout != 0.0 and done == ["posted"]), wait(timeout))[1]
    w.loop._turn.run(goes_on=True)
    w.loop._turn.run(goes_on=True)
    assert done == ["posted", "done"]
    assert not any(slept), "it has slept over a task"


@pytest.mark.parametrize("what", ["close", "deadline", "schedule", "pause", "raise"])
def test_whatever_else_there_is_to_do_ends_them(world, what):
    def on_traffic(conn):
        conn.read()
        if what == "close":
            return Action.CLOSE
        if what == "raise":
            raise LookupError("on purpose")
        if what == "deadline":
            conn.set_deadline(5)
        elif what == "schedule":
            w.loop.schedule(5, int)
        else:
            conn.pause_reading()
        return None

    w = world(on_traffic=on_traffic)
    conn = w.connect()
    script = Scripted(w, feeding(w, conn))
    w.loop._turn.run(goes_on=True)
    assert len(script.waits) == 1
    if what in ("close", "raise"):
        assert w.handler.names().count("on_close") == 1
    elif what == "pause":
        assert not w.poller.interests[conn.fd] & 1
    else:
        assert w.loop.next_deadline() == pytest.approx(w.clock.now + 5, abs=0.3)


def test_a_hosted_turn_is_one_turn(echoing):
    w, one, other = echoing
    script = Scripted(w, feeding(w, one), feeding(w, other))
    w.loop.turn()
    assert len(script.waits) == 1
    assert (w.sent(one), w.sent(other)) == (b"ping", b"")
