"""What a service manager is told of a supervisor, and when."""

from __future__ import annotations

import math
import os
from typing import cast

import pytest
from fake_yard import World

from netcore.service import Notifier
from netcore.supervisor.herald import Herald


class FakeNotifier:
    """Writes down what is told."""

    def __init__(self, watchdog_interval: float | None) -> None:
        self.watchdog_interval = watchdog_interval
        self.told: list[tuple[str, object]] = []
        self.closed = False

    def __getattr__(self, name: str) -> object:
        return lambda *arguments: self.told.append((name, *arguments))  # type: ignore[arg-type]

    def close(self) -> None:
        self.closed = True

    def take(self) -> list[tuple[str, object]]:
        told, self.told = self.told, []
        return told


class Told:
    """A world with a herald in it.

    Args:
        size: How many processes.
        watchdog: Seconds after which somebody takes the service for hung; None for nobody.
    """

    def __init__(self, size: int = 2, watchdog: float | None = None) -> None:
        self.world = World(size)
        self.fleet = self.world.fleet
        self.notifier = FakeNotifier(watchdog)
        self.herald = Herald(cast("Notifier", self.notifier), self.fleet, self.world.clock)
        self.herald.begin()

    def look(self) -> list[tuple[str, object]]:
        self.herald.look()
        return self.notifier.take()

    def ready(self) -> list[tuple[str, object]]:
        self.world.ready(self.world.booting()[0])
        return self.look()

    @classmethod
    def up(cls, size: int = 2) -> Told:
        told = cls(size)
        told.world.boot()
        told.look()
        return told


def test_ready_when_all_serve_and_not_before() -> None:
    told = Told(2)
    told.fleet.start()
    assert told.look() == [("status", "starting: 0 of 2 processes serve")]
    assert told.look() == []
    assert told.ready() == [("status", "starting: 1 of 2 processes serve")]
    assert told.ready() == [("ready", "ready: 2 of 2 processes serve")]
    assert told.look() == []


def test_one_that_dies_and_comes_back_is_a_matter_of_the_status() -> None:
    told = Told.up()
    told.world.exit(101, 1)
    assert told.look() == [("status", "ready: 1 of 2 processes serve")]
    told.world.advance(1)
    assert told.ready() == [("status", "ready: 2 of 2 processes serve")]


def test_how_many_are_wanted() -> None:
    told = Told.up()
    told.fleet.grow()
    assert told.look() == [("status", "ready: 2 of 3 processes serve")]
    told.ready()
    told.fleet.shrink()
    assert told.look() == [("status", "ready: 2 of 2 processes serve")]


def test_reloading_until_all_are_replaced() -> None:
    told = Told.up()
    told.fleet.replace_all()
    assert told.look() == [("reloading", "reloading: 2 of 2 processes serve")]
    assert told.ready() == []
    assert told.ready() == [("ready", "ready: 2 of 2 processes serve")]


def test_a_replacement_that_fails_is_over_too() -> None:
    told = Told.up()
    told.fleet.replace_all()
    told.look()
    told.world.exit(told.world.newest(), 1)
    assert told.look() == [("ready", "ready: 2 of 2 processes serve")]


def test_one_that_has_failed_before_anybody_looks_is_told_all_the_same() -> None:
    told = Told.up()
    told.world.yard.out_of_processes = True
    for _ in range(2):
        told.fleet.replace_all()
        assert told.look() == [
            ("reloading", "reloading: 2 of 2 processes serve"),
            ("ready", "ready: 2 of 2 processes serve"),
        ]


def test_each_signal_is_answered_also_during_a_replacement() -> None:
    told = Told.up()
    for _ in range(2):
        told.fleet.replace_all()
        assert told.look() == [("reloading", "reloading: 2 of 2 processes serve")]
    assert told.look() == []


def test_a_replacement_of_what_has_not_started_is_a_start() -> None:
    told = Told(1)
    told.fleet.start()
    told.look()
    told.fleet.replace_all()
    assert told.look() == []
    assert told.ready() == [("ready", "ready: 1 of 1 processes serve")]


@pytest.mark.parametrize("how", ["stop", "retire_all"])
def test_stopping_once(how: str) -> None:
    told = Told.up()
    told.fleet.replace_all()
    getattr(told.fleet, how)()
    assert told.look() == [("stopping", "stopping: 0 of 2 processes serve")]
    told.world.exit(101)
    assert told.look() == []


def test_a_start_that_fails() -> None:
    told = Told(1)
    told.fleet.start()
    told.fleet.stop()
    assert told.look() == [("stopping", "stopping: 0 of 1 processes serve")]


def test_the_watchdog_is_fed_twice_in_its_time() -> None:
    told = Told(1, watchdog=10)
    assert told.herald.due == told.world.clock()
    told.fleet.start()
    assert ("watchdog",) in told.look()
    for _ in range(3):
        assert told.herald.due == told.world.clock() + 5
        told.world.clock.advance(4.9)
        assert told.look() == []
        told.world.clock.now = told.herald.due
        assert told.look() == [("watchdog",)]


def test_without_a_watchdog_nothing_is_due() -> None:
    assert Told().herald.due == math.inf


def test_who_is_not_the_main_process_says_nothing() -> None:
    world, notifier = World(1), FakeNotifier(10)
    herald = Herald(cast("Notifier", notifier), world.fleet, world.clock)
    world.boot()
    herald.look()
    assert notifier.take() == [] and herald.due == math.inf
    herald.begin()  # its predecessor has left: what is the case by now is said at once
    herald.look()
    assert notifier.take() == [("watchdog",), ("ready", "ready: 1 of 1 processes serve")]


def test_a_successor_is_the_main_process_from_then_on() -> None:
    told = Told(1, watchdog=10)
    told.world.boot()
    told.look()
    told.herald.hand_on(4711)
    assert told.notifier.take() == [("main_pid", 4711)] and not told.notifier.closed
    told.herald.end()
    told.fleet.retire_all()
    assert told.look() == [] and told.notifier.closed and told.herald.due == math.inf


def test_one_that_does_not_come_up_is_not() -> None:
    told = Told.up(1)
    told.herald.hand_on(4711)
    told.herald.keep()
    assert told.notifier.take() == [("main_pid", 4711), ("main_pid", os.getpid())]
    told.fleet.stop()
    assert told.look() == [("stopping", "stopping: 0 of 1 processes serve")]
