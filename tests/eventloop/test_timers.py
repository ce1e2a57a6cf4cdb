"""Timers in number, and those that are very near."""

from __future__ import annotations

import gc
import random
import time

import pytest

from netcore import Timer
from netcore.poll import available
from netcore.testing import RecordingHandler


def test_a_hundred_thousand_armed_and_mostly_cancelled_do_not_grow(world):
    """Idle timeouts as most programs have them: each is armed, put off by a new one, and never met."""
    loop = world().loop
    rng = random.Random(1)
    standing = [loop.schedule(60 + rng.random(), int) for _ in range(100_000)]
    most = len(loop._agenda._timers.entries)
    for _ in range(2):
        for i, timer in enumerate(standing):
            timer.cancel()
            standing[i] = loop.schedule(60 + rng.random(), int)
            if not i % 100:
                most = max(most, len(loop._agenda._timers.entries))
    assert most <= 200_002
    assert loop.metrics().timers_armed == pytest.approx(100_000, abs=100)
    for timer in standing:
        timer.cancel()
    loop.schedule(1, int)
    assert len(loop._agenda._timers.entries) == 1
    assert loop.metrics().timers_armed == 1


def test_cancelled_timers_let_go_of_their_arguments(world):
    import weakref

    class Thing:
        pass

    loop = world().loop
    thing = Thing()
    gone = weakref.ref(thing)
    timer = loop.schedule(60, id, thing)
    del thing
    timer.cancel()
    gc.collect()
    assert gone() is None


def test_timers_are_timers(world):
    loop = world().loop
    timers = [loop.schedule(60, int) for _ in range(3)]
    assert all(isinstance(timer, Timer) for timer in timers)
    assert len(set(timers)) == 3
    assert timers[0] != timers[1]
    assert "PlannedCall at" in repr(timers[0])
    timers[0].cancel()
    timers[0].cancel()
    assert "cancelled" in repr(timers[0])
    assert loop.metrics().timers_armed == 2


def test_equal_times_keep_their_order_however_many_there_are(world):
    w = world()
    ran = []
    due = w.clock() + 1
    calls = [(due, i) for i in range(500)] + [(due - 0.5, i) for i in range(500, 1000)]
    random.Random(1).shuffle(calls)
    for when, i in calls:
        w.loop.schedule(when - w.clock(), ran.append, (when, i))
    w.clock.advance(2)
    w.turns()
    assert ran == sorted(calls, key=lambda call: call[0])


@pytest.mark.parametrize("poller", available())
def test_a_delay_below_a_millisecond_neither_spins_nor_comes_early(serve, poller):
    """A poller that rounds the time down would be asked again and again until the time has come."""
    engine = serve(RecordingHandler(), poller=poller)
    loop = engine.loops[0]
    late, done = [], []
    rounds = 50

    def tick(due):
        late.append(time.monotonic() - due)
        if len(late) < rounds:
            plan()
        else:
            done.append(engine.metrics().turns)

    def plan():
        loop.schedule(0.0004, tick, time.monotonic() + 0.0004)

    before = engine.metrics().turns
    loop.execute(plan)
    while not done:
        time.sleep(0.001)
    assert min(late) >= -1e-6
    assert done[0] - before <= 3 * rounds
