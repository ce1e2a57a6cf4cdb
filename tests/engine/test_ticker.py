"""Ticks go on, whatever becomes of a single one."""

from __future__ import annotations

import decimal
import math

import pytest

from netcore import Action, EventHandler
from netcore.engine.ticker import Ticker


class Running:
    running = True


class Ticking(EventHandler):
    """Returns one result after the other; raises those that are exceptions."""

    def __init__(self, clock, results):
        self.clock = clock
        self.results = iter(results)
        self.times = []

    def on_tick(self, engine):
        self.times.append(self.clock.now)
        result = next(self.results)
        if isinstance(result, BaseException):
            raise result
        return result


def tick(w, *results, caplog=None):
    handler = Ticking(w.clock, results)
    engine = Running()
    start = w.clock.now
    Ticker(handler, engine, w.loop, w.loop.logger).start()
    w.turns()
    while w.loop.next_deadline() is not None and len(handler.times) < len(results):
        w.loop.turn()
    return [time - start for time in handler.times]


def test_each_tick_says_when_the_next_is_due(world):
    assert tick(world(), 2, 0.5, 3, None) == [0, 2, 2.5, 5.5]


@pytest.mark.parametrize(
    "wrong", [LookupError("on purpose"), "soon", decimal.Decimal(7), True, math.nan, Action.SHUTDOWN, b"", 1j]
)
def test_after_a_tick_that_failed_the_next_comes_as_late_as_the_last(world, caplog, wrong):
    assert tick(world(), wrong, 4, wrong, wrong, 0.5, wrong, None) == [0, 1, 5, 9, 13, 13.5, 14]
    assert "called again in 1 s" in caplog.text  # and no more than one line in ten seconds
    assert "called again in 0.5 s (3 times since the last such line)" in caplog.text
    assert caplog.text.count("on_tick failed") == 2


def test_an_infinite_delay_is_an_end(world):
    w = world()
    assert tick(w, 1, math.inf, 1) == [0, 1]
    assert w.loop.metrics().timers_armed == 0


def test_a_negative_delay_is_none(world):
    assert tick(world(), -5, None) == [0, 0]


def test_ticks_end_with_the_engine(world):
    w = world()
    handler = Ticking(w.clock, [1, 1, 1])
    engine = Running()
    Ticker(handler, engine, w.loop, w.loop.logger).start()
    w.turns()
    engine.running = False
    w.loop.turn()
    assert len(handler.times) == 1
    assert w.loop.next_deadline() is None
