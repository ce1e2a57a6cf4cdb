"""Who accepts from the listeners of a place: its process, and others while it has none."""

from __future__ import annotations

from fake_yard import World


def given(world: World, what: str) -> list[tuple[object, ...]]:
    return [entry[1:] for entry in world.yard.log if entry[0] == what]


def test_lent_after_a_second_and_taken_back_when_the_owner_serves() -> None:
    world = World(2)
    _, second = world.boot()
    for _ in range(4):  # it dies young, again and again
        world.exit(world.fleet.places[0].current.pid, 1)
        world.advance(world.fleet.places[0].due - world.clock())
        world.ready(world.newest())
    before = len(given(world, "adopt"))
    world.exit(world.newest(), 1)
    world.advance(0.9)
    assert len(given(world, "adopt")) == before and world.yard.holders(0) == []
    world.advance(0.1)
    assert given(world, "adopt")[before:] == [(second, 0)] and world.yard.holders(0) == [second]
    world.advance(10)
    world.ready(world.newest())
    assert given(world, "release")[-1] == (second, 0) and world.yard.holders(0) == [world.newest()]


def test_one_that_is_replaced_in_time_lends_nothing() -> None:
    world = World(2)
    first, _ = world.boot()
    world.exit(first, 1)
    world.advance(0.5)
    world.ready(world.newest())
    world.advance(10)
    assert given(world, "adopt") == []


def test_the_first_to_boot_serves_for_all_until_they_do() -> None:
    world = World(3)
    world.fleet.start()
    world.advance(1)
    world.ready(101)
    assert [world.yard.holders(number) for number in range(3)] == [[101]] * 3
    world.ready(102)
    world.ready(103)
    assert [world.yard.holders(number) for number in range(3)] == [[101], [102], [103]]


def test_the_burden_is_shared() -> None:
    world = World(4)
    pids = world.boot()
    for pid in pids[:2]:
        world.exit(pid, 1)
    world.advance(1)
    assert sorted(len(world.yard.processes[pid].listeners) for pid in pids[2:]) == [2, 2]


def test_they_move_on_when_their_keeper_dies() -> None:
    world = World(3)
    first, second, third = world.boot()
    world.exit(first, 1)
    world.advance(1)
    assert world.yard.holders(0) == [second]
    world.exit(second, 1)
    assert world.yard.holders(0) == [third]
    world.advance(1)
    assert world.yard.holders(1) == [third]


def test_they_wait_when_nobody_is_left_and_the_next_one_takes_them() -> None:
    world = World(2)
    for pid in world.boot():
        world.exit(pid, 1)
    world.advance(5)
    (first, second) = world.booting()
    world.ready(second)
    assert world.yard.holders(0) == [second]
    world.ready(first)
    assert world.yard.holders(0) == [first] and world.yard.holders(1) == [second]


def test_a_successor_of_the_keeper_keeps_them() -> None:
    world = World(2)
    _, second = world.boot()
    world.fleet.shrink()
    first = world.fleet.places[0].current.pid
    assert world.yard.holders(1) == [first]
    world.exit(second)
    world.fleet.replace_all()
    assert world.yard.log[-1] == ("start", 0, (0, 1))
    world.ready(world.newest())
    assert world.yard.holders(1) == [world.newest()] == world.yard.holders(0)
    assert given(world, "adopt") == [(first, 1)], "the successor was born with them"


def test_what_the_keeper_takes_while_its_successor_boots_is_not_forgotten() -> None:
    world = World(2)
    first, second = world.boot()
    world.fleet.replace_all()
    successor = world.newest()
    world.exit(second, 1)
    world.advance(2)
    assert world.yard.holders(1) == [first]
    world.ready(successor)
    adopted = world.yard.log.index(("adopt", successor, 1))
    assert adopted < world.yard.log.index(("drain", first, 30.0)), "before the former one stops to accept"
    assert world.yard.holders(1) == [successor]


def test_what_comes_back_while_the_successor_boots_is_taken_from_it() -> None:
    world = World(2)
    _, second = world.boot()
    world.exit(second, 1)
    world.advance(2)
    world.fleet.replace_all()
    successor = world.newest()
    (owner,) = [pid for pid in world.booting() if world.yard.processes[pid].number == 1]
    world.ready(owner)
    assert world.yard.holders(1) == [owner]
    world.ready(successor)
    assert world.yard.holders(1) == [owner] and ("release", successor, 1) in world.yard.log


def test_those_of_a_place_that_is_gone_are_served_at_once_and_go_back_when_it_is_opened_again() -> None:
    world = World(2)
    first, second = world.boot()
    world.fleet.shrink()
    adopted = world.yard.log.index(("adopt", first, 1))
    assert adopted < world.yard.log.index(("drain", second, 30.0))
    world.fleet.grow()
    world.advance(100)  # it boots for long, and meanwhile nothing is due
    assert world.yard.holders(1) == [first]
    world.ready(world.newest())
    assert world.yard.holders(1) == [world.newest()]


def test_nothing_is_lent_once_it_ends() -> None:
    world = World(2)
    first, _ = world.boot()
    world.exit(first, 1)
    world.fleet.stop()
    world.advance(5)
    assert given(world, "adopt") == []
