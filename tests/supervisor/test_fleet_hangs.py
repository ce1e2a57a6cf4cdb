"""Processes that hang: what counts as that, and how they are ended."""

from __future__ import annotations

import math

import pytest
from fake_yard import ABORT, KILL, World

from netcore.supervisor.yard import Pace

HANG = 8.0
PACE = Pace(hang=HANG, drain=30.0, stop=12.0)


def serving(size: int = 1) -> tuple[World, list[int]]:
    world = World(size, pace=PACE)
    return world, world.boot()


def test_one_that_says_that_all_is_well_is_idle_and_no_more() -> None:
    world, pids = serving(2)
    world.beat(*pids, seconds=1000)
    assert world.orders(pids[0]) == [] and world.orders(pids[1]) == []


def test_a_turn_that_takes_too_long(caplog: pytest.LogCaptureFixture) -> None:
    world, (pid,) = serving()
    world.advance(2)
    world.fleet.heard(pid, HANG - 0.1, "loop 0 is stuck in Echo.on_traffic (echo.py:7)")
    world.advance(0)
    assert world.orders(pid) == []
    world.advance(0.1)
    world.fleet.heard(pid, HANG, "loop 0 is stuck in Echo.on_traffic (echo.py:7)")
    world.advance(0)
    assert world.orders(pid) == [ABORT]
    assert caplog.messages == [
        f"process 0 ({pid}) has hung for 8.0 s and is ended: loop 0 is stuck in Echo.on_traffic (echo.py:7)"
    ]


def test_a_long_turn_that_has_ended_since_its_last_word_is_none() -> None:
    world, (pid,) = serving()
    world.fleet.heard(pid, HANG - 0.1)
    world.advance(2)  # so long until its next word
    assert world.orders(pid) == []
    world.fleet.heard(pid)
    world.advance(2)
    assert world.orders(pid) == []


def test_silence_is_as_bad(caplog: pytest.LogCaptureFixture) -> None:
    world, (pid,) = serving()
    world.fleet.heard(pid, 3)
    world.advance(HANG - 0.1)
    assert world.orders(pid) == []
    world.advance(0.1)
    assert world.orders(pid) == [ABORT]
    assert caplog.messages == [f"process 0 ({pid}) has hung for 11.0 s and is ended"]


def test_a_boot_is_no_hang_however_long_nor_is_one_that_is_given_up() -> None:
    world = World(1, pace=Pace(HANG, 30, math.inf))
    world.fleet.start()
    world.fleet.heard(101, 100)
    world.advance(1000)
    assert world.orders(101) == []
    world.fleet.stop()
    world.advance(1000)
    assert world.orders(101) == ["stop"]


def test_its_place_is_filled_at_once_and_its_backlog_served() -> None:
    world, pids = serving(2)
    world.beat(*pids, seconds=20)
    world.fleet.heard(pids[0], HANG)
    world.advance(0)
    assert world.orders(pids[0]) == [ABORT]  # and it takes its time to die
    (successor,) = world.booting()
    assert world.yard.processes[successor].number == 0
    world.advance(1)
    assert world.yard.holders(0) == [pids[1]]
    world.ready(successor)
    assert world.yard.holders(0) == [successor] and world.fleet.complete
    world.exit(pids[0], -6, "Current thread")
    assert world.fleet.complete and world.fleet.restarts == 1


def test_one_that_hangs_young_is_replaced_later_and_later() -> None:
    world, (pid,) = serving()
    world.fleet.heard(pid, HANG)
    world.advance(0)
    assert world.booting() == []
    world.advance(0.25)
    assert world.booting() != []


@pytest.mark.parametrize("how", ["retire_all", "stop"])
def test_one_that_hangs_while_it_ends(how: str) -> None:
    world, (pid,) = serving()
    getattr(world.fleet, how)()
    world.beat(pid, seconds=4)
    world.fleet.heard(pid, HANG)
    world.advance(0)
    assert world.orders(pid)[1:] == [ABORT]
    assert world.fleet.restarts == 0 and len(world.yard.processes) == 1


def test_a_successor_takes_the_place_of_one_that_hangs() -> None:
    world, (pid,) = serving()
    world.beat(pid, seconds=20)
    world.fleet.replace_all()
    successor = world.newest()
    world.fleet.heard(pid, HANG)
    world.advance(0)
    assert world.orders(pid) == [ABORT] and world.newest() == successor
    world.ready(successor)
    assert world.fleet.complete


def test_an_abort_that_does_not_end_it() -> None:
    world, (pid,) = serving()
    world.advance(HANG)
    world.fleet.ready(pid)  # whatever it says now
    world.fleet.heard(pid, 100)
    world.advance(9.9)
    assert world.orders(pid) == [ABORT]
    world.advance(0.1)
    assert world.orders(pid) == [ABORT, KILL]
    world.advance(10)  # as one may be that waits for a disk: it is not forgotten
    assert world.orders(pid) == [ABORT, KILL, KILL]


def test_who_was_stopped_and_continued_himself_believes_nobody_hangs() -> None:
    world, pids = serving(2)
    world.clock.advance(1000)
    world.settle()
    assert [world.orders(pid) for pid in pids] == [[], []]
    world.advance(HANG)
    assert [world.orders(pid) for pid in pids] == [[ABORT], [ABORT]]


def test_a_turn_that_was_too_long_has_no_such_excuse() -> None:
    world, (pid,) = serving()
    world.fleet.heard(pid, HANG)
    world.clock.advance(1000)
    world.settle()
    assert world.orders(pid) == [ABORT]
