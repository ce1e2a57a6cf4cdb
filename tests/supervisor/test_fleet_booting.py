"""How a fleet comes up, and what becomes of one that does not."""

from __future__ import annotations

import logging
import math

import pytest
from fake_yard import World


def starts(world: World) -> list[object]:
    return [entry[1] for entry in world.yard.log if entry[0] == "start"]


def test_the_first_process_boots_alone_then_the_others() -> None:
    world = World(3)
    world.fleet.start()
    world.advance(5)
    assert starts(world) == [0]
    assert not world.fleet.complete and world.fleet.count == 0
    world.ready(world.newest())
    assert starts(world) == [0, 1, 2]
    assert world.fleet.count == 1 and not world.fleet.complete
    for pid in world.booting():
        world.ready(pid)
    assert world.fleet.complete and [member.number for member in world.fleet.serving()] == [0, 1, 2]


def test_each_has_the_listeners_of_its_place() -> None:
    world = World(2)
    world.boot()
    assert [entry for entry in world.yard.log if entry[0] == "start"] == [
        ("start", 0, (0,)),
        ("start", 1, (1,)),
    ]


def test_who_shares_all_listeners_has_none_of_his_own() -> None:
    world = World(2, own=False)
    world.boot()
    assert [entry for entry in world.yard.log if entry[0] == "start"] == [("start", 0, ()), ("start", 1, ())]
    world.exit(world.newest(), 1)
    world.advance(5)
    assert not [entry for entry in world.yard.log if entry[0] in ("adopt", "release")]


def test_three_tries_if_none_has_ever_booted(caplog: pytest.LogCaptureFixture) -> None:
    world = World(4)
    world.fleet.start()
    began = world.clock()
    for _ in range(2):
        world.exit(world.newest(), 3)
        assert not world.fleet.over
        world.advance(1)
    world.exit(world.newest(), 7)
    assert starts(world) == [0, 0, 0]
    assert world.fleet.over and world.fleet.next_due() == math.inf
    assert world.fleet.failure == "no process has booted in 3 tries: the last one ended with status 7"
    assert world.clock() - began < 5
    assert caplog.messages[0] == "process 0 (101) ended with status 3 while booting"


@pytest.mark.parametrize(
    ("status", "words"),
    [(-9, "was ended by SIGKILL"), (-99, "was ended by signal 99"), (0, "ended with status 0")],
)
def test_the_last_status_in_words(status: int, words: str) -> None:
    world = World()
    world.fleet.start()
    for _ in range(3):
        world.exit(world.newest(), status)
        world.advance(1)
    assert world.fleet.failure.endswith(f": the last one {words}")


def test_one_that_cannot_even_be_started_counts(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.yard.out_of_processes = True
    world.fleet.start()
    assert not world.fleet.over
    world.advance(1)
    assert starts(world) == [0, 0, 0] and world.fleet.over
    assert world.fleet.failure == (
        "no process has booted in 3 tries: the last one could not be started: no memory is left"
    )
    assert caplog.messages.count("process 0 could not be started: no memory is left") == 3


def test_a_try_that_works_ends_the_counting() -> None:
    world = World()
    world.fleet.start()
    for _ in range(2):
        world.exit(world.newest(), 1)
        world.advance(1)
    world.ready(world.newest())
    for pid in list(world.yard.processes):
        world.exit(pid, 1)
    for _ in range(5):
        world.advance(60)
        for pid in world.booting():
            world.exit(pid, 1)
    assert not world.fleet.failure and not world.fleet.over


def test_what_does_not_boot_is_waited_for() -> None:
    world = World()
    world.fleet.start()
    world.advance(10000)
    assert starts(world) == [0] and world.orders(101) == []


def test_a_replacement_while_the_first_one_boots_begins_anew() -> None:
    world = World()
    world.fleet.start()
    world.fleet.replace_all()
    assert world.orders(101) == ["stop"] and starts(world) == [0, 0]
    world.ready(102)
    world.exit(101, 1)
    assert not world.fleet.failure
    world.ready(103)
    assert world.fleet.complete


def test_what_has_ended_says_no_more() -> None:
    world = World()
    world.boot()
    before = list(world.yard.log)
    world.fleet.ready(99)
    world.fleet.heard(99, 100)
    world.fleet.exited(99, 0)
    assert world.yard.log == before and world.fleet.complete


def test_ready_twice_is_ready(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World()
    pids = world.boot()
    world.ready(pids[0])
    assert caplog.messages.count(f"process 0 ({pids[0]}) serves") == 1
