"""For how long a turn lasts, as another thread sees it that looks again and again."""

from __future__ import annotations

import threading
import time

import pytest

from netcore import Engine, EventHandler
from netcore.connection import Counters
from netcore.eventloop.pulse import Pulse
from netcore.testing import ManualClock


class Turns:
    """Numbers turns and says when it sleeps, as a loop does."""

    def __init__(self):
        self.sleep = []
        self.counters = Counters()

    def begin(self):
        self.counters.turns += 1
        self.sleep = None

    def end(self):
        self.sleep = []


@pytest.fixture
def watched():
    clock, turns = ManualClock(), Turns()
    pulse = Pulse(turns.counters, clock)
    return turns, clock, lambda: (pulse.look(turns) or (0, 0.0))[1]


def test_a_turn_counts_from_the_first_look_at_it(watched):
    turns, clock, stuck_for = watched
    turns.begin()
    clock.advance(5)
    assert stuck_for() == 0.0
    clock.advance(2)
    assert stuck_for() == 2.0
    clock.advance(1)
    assert stuck_for() == 3.0


def test_a_loop_that_waits_is_not_stuck(watched):
    turns, clock, stuck_for = watched
    assert stuck_for() == 0.0
    turns.begin()
    stuck_for()
    turns.end()
    clock.advance(3600)
    assert stuck_for() == 0.0
    turns.begin()
    assert stuck_for() == 0.0


def test_a_loop_that_is_merely_busy_is_not_stuck(watched):
    turns, clock, stuck_for = watched
    for _ in range(100):
        turns.begin()
        assert stuck_for() == 0.0
        clock.advance(1)
        turns.end()


def test_a_turn_that_ends_in_the_midst_of_a_look(watched):
    turns, clock, _ = watched
    turns.begin()

    class Moving(Turns):
        """Has gone on to another turn by the time it is asked whether it sleeps."""

        def __init__(self):
            self.counters = turns.counters

        @property
        def sleep(self):
            turns.begin()

    pulse = Pulse(turns.counters, clock)
    assert pulse.look(turns) == (1, 0.0)
    clock.advance(10)
    assert pulse.look(Moving()) is None


class Blocks(EventHandler):
    """Blocks in its callback until it is let go."""

    def __init__(self):
        self.began, self.let_go = threading.Event(), threading.Event()

    def on_traffic(self, conn):
        self.began.set()
        assert self.let_go.wait(30)
        conn.write(conn.read())


def test_a_loop_in_a_callback(serve, dial):
    handler = Blocks()
    engine = serve(handler)
    sock = dial(engine)
    while engine.stuck_for() or engine.loops[0].stuck_for():  # the turn that has accepted may not be over
        time.sleep(0.001)
    sock.sendall(b"ping")
    assert handler.began.wait(30)
    engine.stuck_for()
    while engine.stuck_for() < 0.05:
        time.sleep(0.01)
    assert engine.loops[0].stuck_for() >= 0.05
    handler.let_go.set()
    assert sock.recv(4) == b"ping"
    while engine.stuck_for():
        time.sleep(0.001)
    engine.stop()
    assert engine.stuck_for() == 0.0


def test_a_task_blocks_as_well(serve):
    engine = serve(EventHandler(), num_event_loops=2)
    began, let_go = threading.Event(), threading.Event()

    def block():
        began.set()
        let_go.wait(30)

    engine.loops[1].execute(block)
    assert began.wait(30)
    while engine.stuck_for() < 0.02:
        time.sleep(0.005)
    assert engine.loops[0].stuck_for() == 0.0 < engine.loops[1].stuck_for()
    let_go.set()


def test_a_hosted_loop_is_stuck_within_its_turns_only():
    seen = []

    class Looks(EventHandler):
        def on_boot(self, engine):
            seen.append(engine.stuck_for())

    engine = Engine(Looks(), "tcp://127.0.0.1:0")
    assert engine.stuck_for() == 0.0
    engine.start(hosted=True)
    (loop,) = engine.loops

    def look():
        loop.stuck_for()
        time.sleep(0.005)
        seen.append(loop.stuck_for())

    with engine:
        for _ in range(2):
            loop.turn(0)
            assert loop.stuck_for() == 0.0
        loop.schedule(0, look)
        loop.turn(0.1)
        time.sleep(0.005)
        assert loop.stuck_for() == 0.0
    assert seen[0] == 0.0
    assert seen[1] >= 0.004
