"""Virtual time: what happens when, and in which order."""

from __future__ import annotations

from netcore.testing.simulation.scheduler import Scheduler


def run_all(scheduler: Scheduler) -> None:
    while scheduler.step():
        pass


def test_things_happen_in_the_order_of_their_times_and_of_equal_ones_the_first_planned_first() -> None:
    scheduler, seen = Scheduler(), []
    for when, name in ((2.0, "c"), (1.0, "a"), (2.0, "d"), (1.0, "b")):
        scheduler.call_at(when, lambda name=name: seen.append((scheduler.now, name)))

    run_all(scheduler)

    assert seen == [(1.0, "a"), (1.0, "b"), (2.0, "c"), (2.0, "d")]
    assert scheduler.happened == 4


def test_what_is_cancelled_does_not_happen_and_takes_no_time() -> None:
    scheduler, seen = Scheduler(), []
    scheduler.call_at(1.0, seen.append, "kept")
    cancelled = scheduler.call_at(9.0, seen.append, "cancelled")
    assert cancelled.active
    cancelled.cancel()
    cancelled.cancel()

    run_all(scheduler)

    assert seen == ["kept"]
    assert not cancelled.active
    assert scheduler.now == 1.0
    assert scheduler.next_time() is None


def test_what_has_passed_happens_now() -> None:
    scheduler, seen = Scheduler(), []
    scheduler.advance(5.0)
    scheduler.call_at(1.0, seen.append, "late")
    scheduler.call_later(0.5, seen.append, "later")

    assert scheduler.next_time() == 5.0
    run_all(scheduler)

    assert seen == ["late", "later"]
    assert scheduler.now == 5.5


def test_time_does_not_go_back() -> None:
    scheduler = Scheduler()
    scheduler.advance(3.0)
    scheduler.advance(2.0)

    assert scheduler.now == 3.0


def test_what_happens_may_plan_what_comes_next_and_may_fail() -> None:
    scheduler, seen = Scheduler(), []

    def first() -> None:
        scheduler.call_later(0.0, seen.append, "second")
        raise ValueError("first")

    scheduler.call_at(1.0, first)
    try:
        scheduler.step()
    except ValueError:
        seen.append("raised")
    run_all(scheduler)

    assert seen == ["raised", "second"]


def test_the_same_seed_gives_the_same_randomness() -> None:
    draws = [[Scheduler(seed).random.random() for _ in range(3)] for seed in (1, 1, 2)]

    assert draws[0] == draws[1] != draws[2]
