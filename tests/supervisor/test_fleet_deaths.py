"""Processes that die: another one follows, later and later if they die young."""

from __future__ import annotations

import logging

import pytest
from fake_yard import World

from netcore.supervisor.backoff import YOUNG, BackOff


def delay(world: World, number: int = 0) -> float:
    """Returns the seconds to the start of the next process."""
    began = world.clock()
    world.advance(world.fleet.places[number].due - began)
    assert world.booting()
    return world.clock() - began


def test_one_that_dies_is_replaced_and_the_others_stay() -> None:
    world = World(2)
    first, second = world.boot()
    world.exit(first, 1)
    assert world.fleet.count == 1 and world.fleet.restarts == 1
    world.advance(0.25)
    (successor,) = world.booting()
    world.ready(successor)
    assert world.fleet.complete and world.orders(second) == []


def test_the_delay_doubles_up_to_half_a_minute() -> None:
    world = World(1)
    world.boot()
    delays = []
    for _ in range(10):
        world.exit(world.newest(), 1)
        delays.append(delay(world))
        world.ready(world.newest())
    assert delays == pytest.approx([0.25, 0.5, 1, 2, 4, 8, 16, 30, 30, 30])


def test_a_long_life_makes_all_well() -> None:
    world = World(1)
    world.boot()
    for _ in range(4):
        world.exit(world.newest(), 1)
        delay(world)
        world.ready(world.newest())
    world.advance(YOUNG)
    world.exit(world.newest(), 1)
    (pid,) = world.booting()  # at once
    world.ready(pid)
    world.exit(pid, 1)
    assert delay(world) == pytest.approx(0.25)


def test_a_long_boot_is_no_long_life() -> None:
    world = World(1)
    world.boot()
    delays = []
    for _ in range(3):
        world.exit(world.newest(), 1)
        delays.append(delay(world))
        world.advance(20)
    assert delays == pytest.approx([0.25, 0.5, 1])


def test_each_place_has_a_delay_of_its_own() -> None:
    world = World(2)
    first, second = world.boot()
    for _ in range(4):
        world.exit(first, 1)
        delay(world)
        first = world.newest()
        world.ready(first)
    world.exit(second, 1)
    assert delay(world, 1) == pytest.approx(0.25)


def test_a_replacement_that_is_asked_for_does_not_wait() -> None:
    world = World(1)
    world.boot()
    for _ in range(8):
        world.exit(world.newest(), 1)
        delay(world)
        world.ready(world.newest())
    world.exit(world.newest(), 1)
    world.fleet.replace_all()
    world.ready(world.newest())
    world.exit(world.newest(), 1)
    assert delay(world) == pytest.approx(0.25)


def test_one_that_cannot_be_started_is_tried_again() -> None:
    world = World(2)
    first, _ = world.boot()
    world.yard.out_of_processes = True
    world.exit(first, 1)
    world.advance(100)
    tried = sum(entry[0] == "start" for entry in world.yard.log) - 2
    assert 5 < tried < 12
    world.yard.out_of_processes = False
    world.advance(30)
    world.ready(world.newest())
    assert world.fleet.complete


@pytest.mark.parametrize(
    ("status", "last_words", "line"),
    [
        (0, "", "process 0 (101) ended with status 0"),
        (-11, "", "process 0 (101) was ended by SIGSEGV"),
        (
            -6,
            "Fatal Python error: Aborted",
            "process 0 (101) was ended by SIGABRT: Fatal Python error: Aborted",
        ),
    ],
)
def test_a_death_that_nobody_has_asked_for_is_an_error(
    status: int, last_words: str, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(1)
    world.boot()
    world.exit(101, status, last_words)
    assert ("netcore", logging.ERROR, line) in caplog.record_tuples


def test_an_end_that_was_asked_for_is_none(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World(3)
    world.boot()
    world.fleet.stop()
    world.exit(101, 0)
    world.exit(102, 1)
    world.exit(103, -11, "Fatal Python error: Segmentation fault")
    assert [entry[1:] for entry in caplog.record_tuples[-3:]] == [
        (logging.INFO, "process 0 (101) has ended"),
        (logging.INFO, "process 1 (102) ended with status 1"),
        (logging.ERROR, "process 2 (103) was ended by SIGSEGV: Fatal Python error: Segmentation fault"),
    ]


def test_the_back_off_alone() -> None:
    back_off = BackOff()
    assert [back_off.delay(0) for _ in range(9)] == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert max(back_off.delay(0) for _ in range(2000)) == 30
    assert back_off.delay(YOUNG) == 0
    assert [back_off.delay(YOUNG - 0.01), back_off.delay(0)] == [0.25, 0.5]
    back_off.reset()
    assert back_off.delay(0) == 0.25
