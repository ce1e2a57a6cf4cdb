"""Turns that follow each other in C, as on a loop's own thread: what ends them, and who is not forgotten."""

from __future__ import annotations

import errno

import pytest

from netcore import Action, EventHandler
from netcore.eventloop.gate import Gate


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


def test_a_listener_that_stands_alone_needs_no_call(world, half, monkeypatch):
    calls = []
    w = world(on_open=lambda conn: placing.append(w.loop.placing))
    placing = []
    ready = w.acceptor.ready
    monkeypatch.setattr(w.acceptor, "ready", lambda readiness: calls.append(readiness) or ready(readiness))
    fds = []
    Scripted(w, lambda: fds.extend(w.sockets.connect(w.LISTENER) for _ in range(3)))
    w.loop._turn.run(goes_on=True)
    assert len(fds) == 3 and all(map(w.hosts, fds))
    assert len(calls) == (0 if half == "hot" else 1)
    assert placing == [1, 1, 1] and w.loop.placing == 0
    assert w.loop.metrics().accepted == 3


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EPROTO])
def test_trouble_of_a_listener_is_its_own(world, code, caplog):
    w = world()
    accept = w.sockets.accept
    w.sockets.accept = lambda fd, limit: (accept(fd, 1)[0], -code)
    fds = []
    Scripted(w, lambda: fds.extend(w.sockets.connect(w.LISTENER) for _ in range(3)))
    w.loop._turn.run(goes_on=True)
    assert "cannot accept on tcp://192.0.2.1:9000" in caplog.text
    assert w.hosts(fds[0])
    assert w.LISTENER not in w.poller.interests, "it would spin"
    w.sockets.accept = accept
    w.clock.advance(0.2)
    w.turns(2)
    assert w.LISTENER in w.poller.interests
    assert w.loop.metrics().accept_failures == 1


def test_one_that_the_poller_refuses_is_told_of(world, caplog):
    w = world()
    register = w.poller.register
    fds = []

    def refusing(fd, interest):
        if fd == fds[0]:
            raise OSError(errno.ENOSPC, "no room")
        register(fd, interest)

    w.poller.register = refusing
    Scripted(w, lambda: fds.extend(w.sockets.connect(w.LISTENER) for _ in range(2)))
    w.loop._turn.run(goes_on=True)
    assert (w.hosts(fds[0]), w.hosts(fds[1])) == (False, True)
    assert w.sockets.resets == fds[:1]
    assert caplog.text.count("no room") == 1
    assert w.LISTENER in w.poller.interests


def test_a_listener_that_is_closed_in_the_turn_accepts_no_more(world):
    def on_traffic(conn):
        conn.read()
        w.loop.stop_accepting()

    w = world(on_traffic=on_traffic)
    conn = w.connect()
    fds = []

    def both():
        fds.append(w.sockets.connect(w.LISTENER))
        w.sockets.feed(conn.fd, b"that is enough")

    Scripted(w, both)
    w.loop._turn.run(goes_on=True)
    assert not w.hosts(fds[0])
    assert w.loop.metrics().accepted == 1
    assert w.LISTENER in w.sockets.closed


def test_a_limit_holds_in_such_turns(world):
    w = world(shared={"gate": Gate(2, refuse=False)})
    fds = []
    Scripted(w, lambda: fds.extend(w.sockets.connect(w.LISTENER) for _ in range(3)))
    w.loop._turn.run(goes_on=True)
    w.turns(2)
    assert [w.hosts(fd) for fd in fds] == [True, True, False]


def test_the_usual_callbacks_may_be_replaced_between_two_turns(world):
    w = world(handler=EventHandler())
    conn = w.connect()
    seen = []
    w.handler.on_close = lambda conn, error: seen.append("close")
    w.handler.on_eof = lambda conn: seen.append("eof")
    w.sockets.feed_eof(conn.fd)
    w.turns()
    assert seen == ["eof"] and not conn.closed
    conn.close()
    w.turns()
    assert seen == ["eof", "close"] and conn.closed
    w.handler.on_open = lambda conn: seen.append("open")
    w.connect()
    assert seen[-1] == "open"
    del w.handler.on_open, w.handler.on_eof, w.handler.on_close
    other = w.connect()
    w.sockets.feed_eof(other.fd)
    w.turns()
    assert other.closed and len(seen) == 3
    assert w.loop.metrics().closed_eof == 2


def test_the_usual_callbacks_may_be_replaced_at_the_end_of_a_turn_of_another_kind(world):
    """One in which a timer runs is Python's; the next may be one of C's."""
    w = world(handler=EventHandler())
    told = []

    def replace():
        w.handler.on_close = lambda conn, error: told.append(conn)

    w.loop.schedule(1, replace)
    fds = []

    def arrive():
        fds.append(w.sockets.connect(w.LISTENER))
        w.clock.advance(2)

    script = Scripted(w, arrive, lambda: w.sockets.feed_eof(fds[0]))
    while script.steps or len(script.waits) < 3:
        w.loop._turn.run(goes_on=True)
    assert [conn.fd for conn in told] == fds


def _counting(calls, callback):
    def call(*args):
        calls.append(callback.__name__)
        return callback(*args)

    return call


class Wrapped:
    """Shows everything of a callback but that it is not the callback."""

    def __init__(self, calls, callback):
        self._calls = calls
        self._callback = callback

    def __call__(self, *args):
        self._calls.append(self._callback.__name__)
        return self._callback(*args)

    def __getattr__(self, name):
        return getattr(self._callback, name)


@pytest.mark.parametrize("of", ["class", "object"])
def test_what_stands_in_for_the_usual_callbacks_is_called(world, monkeypatch, of):
    """Who traces calls puts his own in the class, maybe before there is a loop, or around an object's."""
    calls = []
    handler = EventHandler()
    for name in ("on_open", "on_eof", "on_close"):
        if of == "class":
            monkeypatch.setattr(EventHandler, name, _counting(calls, getattr(EventHandler, name)))
        else:
            monkeypatch.setattr(handler, name, Wrapped(calls, getattr(handler, name)), raising=False)
    w = world(handler=handler)
    fd = w.sockets.connect(w.LISTENER)
    w.turns()
    w.sockets.feed_eof(fd)
    w.turns()
    assert calls == ["on_open", "on_eof", "on_close"]


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
