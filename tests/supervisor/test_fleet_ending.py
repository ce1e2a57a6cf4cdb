"""How a fleet comes to its end, and each of its processes."""

from __future__ import annotations

import math

import pytest
from fake_yard import KILL, PACE, World

from netcore.supervisor.yard import Pace


def test_all_stop_and_none_follow() -> None:
    world = World(3)
    pids = world.boot()
    world.fleet.stop()
    assert [world.orders(pid) for pid in pids] == [["stop"]] * 3
    world.exit(pids[0])
    world.exit(pids[1], 1)
    assert world.fleet.ending and not world.fleet.over
    world.exit(pids[2], -15)
    assert world.fleet.over and world.fleet.next_due() == math.inf and world.fleet.failure == ""
    assert world.fleet.restarts == 0


def test_one_that_does_not_stop_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    world = World(1)
    (pid,) = world.boot()
    world.fleet.stop()
    world.advance(PACE.stop - 0.1)
    assert world.orders(pid) == ["stop"]
    world.advance(0.1)
    assert world.orders(pid) == ["stop", KILL]
    world.advance(10)
    assert world.orders(pid) == ["stop", KILL, KILL]
    assert caplog.messages == [f"process 0 ({pid}) has not ended in its time: it is killed"]
    world.exit(pid, -9)
    assert world.fleet.over


def test_stop_while_the_first_one_boots() -> None:
    world = World(2)
    world.fleet.start()
    world.fleet.stop()
    assert world.orders(101) == ["stop"]
    world.ready(101)  # it was too late to hear of it
    assert world.orders(101) == ["stop"] and world.booting() == [] and world.fleet.count == 0
    world.advance(PACE.stop)
    assert world.orders(101) == ["stop", KILL]
    world.exit(101, -9)
    assert world.fleet.over and not world.fleet.failure


def test_stop_while_all_is_replaced() -> None:
    world = World(2)
    former = world.boot()
    world.fleet.replace_all()
    world.ready(world.newest())
    world.fleet.stop()
    assert not world.fleet.rolling
    assert [world.orders(pid) for pid in (*former, 103, 104)] == [["drain", "stop"], *[["stop"]] * 3]
    for pid in (104, 103, *former):
        world.exit(pid, 1)
    assert world.fleet.over and world.fleet.restarts == 0


def test_stop_while_one_is_to_be_started_again() -> None:
    world = World(1)
    (pid,) = world.boot()
    world.exit(pid, 1)
    world.fleet.stop()
    assert world.fleet.over and world.fleet.next_due() == math.inf


def test_stop_twice_is_the_same_and_at_once_is_quicker() -> None:
    world = World(1)
    (pid,) = world.boot()
    world.fleet.stop()
    world.advance(5)
    world.fleet.stop()
    assert world.orders(pid) == ["stop"]
    world.fleet.stop_now()
    world.advance(0.9)
    assert world.orders(pid) == ["stop", "stop_now"]
    world.fleet.stop_now()  # which puts nothing off
    world.advance(0.1)
    assert world.orders(pid) == ["stop", "stop_now", "stop_now", KILL]


def test_at_once_while_it_boots() -> None:
    world = World(1)
    world.fleet.start()
    world.fleet.stop_now()
    world.advance(1)
    assert world.orders(101) == ["stop_now", KILL]
    world.exit(101, -9)
    assert world.fleet.over


def test_a_drain_has_its_time_and_then_what_a_stop_has() -> None:
    world = World(1)
    (pid,) = world.boot()
    world.fleet.replace_all()
    world.ready(world.newest())
    world.advance(PACE.drain + PACE.stop - 0.1)
    assert world.orders(pid) == ["drain"]
    world.advance(0.1)
    assert world.orders(pid) == ["drain", KILL]


def test_a_drain_without_end_is_ended_by_a_stop() -> None:
    world = World(1, pace=Pace(math.inf, math.inf, 12.0))
    (pid,) = world.boot()
    world.fleet.replace_all()
    world.ready(world.newest())
    world.advance(100_000)
    assert world.orders(pid) == ["drain"]
    world.fleet.stop()
    world.advance(12)
    assert world.orders(pid) == ["drain", "stop", KILL]


def test_all_drain_for_a_new_supervisor() -> None:
    world = World(2)
    first, second = world.boot()
    world.exit(first, 1)
    world.advance(0.25)
    boots = world.newest()
    world.fleet.retire_all()
    assert world.orders(second) == ["drain"] and world.orders(boots) == ["stop"]
    world.exit(second)
    world.exit(boots)
    assert world.fleet.over
