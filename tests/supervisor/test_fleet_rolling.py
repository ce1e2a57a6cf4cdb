"""Replacing every process, one after the other, and changing how many there are."""

from __future__ import annotations

import logging

import pytest
from fake_yard import PACE, World

STAYS = "stays, and nothing more is replaced"


def test_one_after_the_other_and_ready_before_retire() -> None:
    world = World(3)
    former = world.boot()
    world.fleet.replace_all()
    for number, pid in enumerate(former):
        assert world.fleet.rolling and not world.fleet.complete
        (successor,) = world.booting()
        assert world.yard.processes[successor].number == number
        assert world.orders(pid) == [] and world.fleet.count == 3
        world.advance(3)  # however long it takes
        for other in former[number:]:
            world.fleet.heard(other)
        world.ready(successor)
        assert world.orders(pid) == ["drain"] and world.fleet.count == 3
    assert world.fleet.complete and not world.fleet.rolling and world.booting() == []
    assert ("drain", former[0], PACE.drain) in world.yard.log
    for pid in former:
        world.exit(pid)
    assert len(world.yard.processes) == 3 and world.fleet.restarts == 0


def test_the_successor_has_the_listeners_of_the_former() -> None:
    world = World(2)
    world.boot()
    world.fleet.replace_all()
    assert world.yard.log[-1] == ("start", 0, (0,))


def test_a_successor_that_does_not_boot_leaves_the_old_one(caplog: pytest.LogCaptureFixture) -> None:
    world = World(2)
    former = world.boot()
    world.fleet.replace_all()
    world.exit(world.newest(), 2)
    assert not world.fleet.rolling and world.fleet.complete
    assert [world.orders(pid) for pid in former] == [[], []] and world.booting() == []
    assert caplog.messages == [
        "process 0 (103) ended with status 2 while booting",
        f"process 0 ({former[0]}) {STAYS}",
    ]
    world.fleet.replace_all()  # and what is mended is tried again
    world.ready(world.newest())
    world.ready(world.newest())
    assert world.fleet.complete and world.orders(former[1]) == ["drain"]


def test_the_second_successor_fails() -> None:
    world = World(3)
    former = world.boot()
    world.fleet.replace_all()
    world.ready(world.newest())
    world.exit(world.newest(), 2)
    assert [world.orders(pid) for pid in former] == [["drain"], [], []]
    assert world.fleet.complete and world.booting() == []


def test_a_successor_that_cannot_be_started(caplog: pytest.LogCaptureFixture) -> None:
    world = World(2)
    former = world.boot()
    world.yard.out_of_processes = True
    world.fleet.replace_all()
    assert not world.fleet.rolling and world.fleet.complete
    assert [world.orders(pid) for pid in former] == [[], []]
    assert caplog.messages == [
        "process 0 could not be started: no memory is left",
        f"process 0 ({former[0]}) {STAYS}",
    ]
    world.exit(former[0], 1)  # which is not held against what follows
    assert world.fleet.places[0].due - world.clock() == pytest.approx(0.25)


def test_again_while_it_is_under_way() -> None:
    world = World(2)
    former = world.boot()
    world.fleet.replace_all()
    world.ready(world.newest())  # the first is replaced, and the second about to be
    outdated = world.newest()
    world.fleet.replace_all()
    assert world.orders(outdated) == ["stop"]
    world.exit(outdated, 1)  # which is no failure
    assert world.fleet.rolling
    for _ in range(2):
        world.ready(world.newest())
    assert world.fleet.complete and world.fleet.rolls == 2
    assert [world.orders(pid) for pid in (*former, 103)] == [["drain"], ["drain"], ["drain"]]


def test_one_that_dies_while_its_successor_boots(caplog: pytest.LogCaptureFixture) -> None:
    world = World(2)
    former = world.boot()
    world.fleet.replace_all()
    successor = world.newest()
    world.exit(former[0], 1)
    assert world.fleet.places[0].current is not None and world.fleet.places[0].current.pid == successor
    assert world.newest() == successor + 1, "the roll goes on"
    world.exit(successor, 1)  # now this is a death as others are
    world.advance(0.5)
    (third,) = [pid for pid in world.booting() if world.yard.processes[pid].number == 0]
    world.ready(third)
    world.ready(successor + 1)
    assert world.fleet.complete
    assert not [line for line in caplog.messages if STAYS in line]


def test_one_that_boots_itself_begins_anew_and_one_that_is_missing_is_started() -> None:
    world = World(3)
    former = world.boot()
    world.exit(former[1], 1)
    world.exit(former[2], 1)
    world.advance(0.25)
    boots = world.booting()
    world.exit(boots[1], 1)
    world.fleet.replace_all()
    world.ready(world.newest())  # the successor of the first
    assert world.orders(boots[0]) == ["stop"]
    for pid in world.booting():
        world.ready(pid)
    assert world.fleet.complete and world.fleet.count == 3


def test_growing_opens_a_place_first(caplog: pytest.LogCaptureFixture) -> None:
    world = World(1)
    world.boot()
    world.yard.out_of_ports = True
    world.fleet.grow()
    assert caplog.messages == ["there is no process more: no port is left"] and world.fleet.wanted == 1
    world.yard.out_of_ports = False
    world.fleet.grow()
    assert world.fleet.wanted == 2 and world.yard.log[-1] == ("start", 1, (1,))
    world.ready(world.newest())
    assert world.fleet.complete


def test_shrinking_retires_the_last_and_never_the_first(caplog: pytest.LogCaptureFixture) -> None:
    world = World(2)
    first, second = world.boot()
    world.fleet.shrink()
    assert world.orders(second)[-1] == "drain" and world.fleet.complete and world.fleet.wanted == 1
    world.fleet.shrink()
    assert world.fleet.wanted == 1 and "drain" not in world.orders(first)
    assert caplog.messages == ["there is one process left, which stays"]
    world.exit(second)
    world.advance(1)
    assert world.booting() == []


def test_the_only_one_that_accepts_stays_until_another_does() -> None:
    world = World(2)
    first, second = world.boot()
    world.exit(first, 1)
    world.fleet.shrink()
    world.advance(2)
    assert world.fleet.wanted == 1 and world.fleet.count == 1 and not world.fleet.complete
    assert "drain" not in world.orders(second)
    world.ready(world.newest())
    assert world.orders(second)[-1] == "drain" and world.fleet.complete


def test_one_that_stays_so_and_dies_is_not_replaced() -> None:
    world = World(2)
    first, second = world.boot()
    world.exit(first, 1)
    world.fleet.shrink()
    world.exit(second, 1)
    world.advance(60)
    assert {process.number for process in world.yard.processes.values()} == {0}


def test_a_place_that_is_wanted_again_before_it_is_given_up() -> None:
    world = World(2)
    first, second = world.boot()
    world.exit(first, 1)
    world.fleet.shrink()
    world.fleet.grow()
    world.advance(0.3)
    world.ready(world.newest())
    assert world.fleet.complete and "drain" not in world.orders(second)


def test_shrinking_while_the_last_is_replaced() -> None:
    world = World(2)
    former = world.boot()
    world.fleet.replace_all()
    world.ready(world.newest())
    successor = world.newest()
    world.fleet.shrink()
    assert world.orders(successor) == ["stop"] and world.orders(former[1])[-1] == "drain"
    world.exit(successor, 1)
    assert world.fleet.complete and not world.fleet.rolling


def test_shrinking_while_an_earlier_one_is_replaced() -> None:
    world = World(2)
    former = world.boot()
    world.fleet.replace_all()
    world.fleet.shrink()
    assert world.fleet.rolling and world.orders(former[1])[-1] == "drain"
    world.ready(world.newest())
    assert world.fleet.complete and not world.fleet.rolling


def test_shrinking_while_it_boots() -> None:
    world = World(3)
    world.fleet.start()
    world.fleet.shrink()  # one that was never started
    world.ready(world.newest())
    boots = world.newest()
    world.fleet.shrink()
    assert world.orders(boots) == ["stop"] and world.fleet.complete
    world.ready(boots)  # too late
    assert world.orders(boots) == ["stop"] and world.fleet.count == 1
    world.exit(boots)
    assert len(world.yard.processes) == 1


def test_growing_while_it_rolls() -> None:
    world = World(1)
    world.boot()
    world.fleet.replace_all()
    world.fleet.grow()
    for pid in world.booting():
        world.ready(pid)
    assert world.fleet.complete and world.fleet.count == 2


def test_a_place_that_is_opened_again_while_its_former_process_drains() -> None:
    world = World(2)
    _, second = world.boot()
    world.fleet.shrink()
    world.fleet.grow()
    third = world.newest()
    world.ready(third)
    world.exit(second)
    assert world.fleet.complete and world.fleet.restarts == 0
    assert world.yard.holders(1) == [third]


def test_nothing_is_begun_once_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World(2)
    world.boot()
    world.fleet.stop()
    before = list(world.yard.log)
    world.fleet.replace_all()
    world.fleet.grow()
    world.fleet.shrink()
    world.fleet.step()
    assert world.yard.log == before and world.fleet.wanted == 2
