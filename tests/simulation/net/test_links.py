"""What lies between simulated hosts."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from netcore.testing.simulation.net.links import LATENCY, LOOPBACK_LATENCY, Links
from netcore.testing.simulation.scheduler import Scheduler
from netcore.testing.simulation.trace import Trace


class World:
    """Links, and what they stand on."""

    def __init__(self, seed: int = 1) -> None:
        self.scheduler = Scheduler(seed)
        self.trace = Trace(self.scheduler)
        self.links = Links(self.scheduler, self.trace)
        self.path = self.links.path("a", "b")

    def arrivals(self, count: int, size: int = 100) -> list[float | None]:
        return [self.path.transmit(size) for _ in range(count)]


@pytest.fixture
def world() -> World:
    return World()


def test_a_packet_takes_the_default_latency_and_no_random_number(world: World) -> None:
    before = world.scheduler.random.getstate()
    world.scheduler.advance(5.0)
    assert world.path.transmit(1500) == 5.0 + LATENCY
    assert world.path.in_order(1500) == 5.0 + LATENCY
    assert world.links.path("a", "a").transmit(1500) == 5.0 + LOOPBACK_LATENCY
    assert not world.path.duplicated()
    assert world.scheduler.random.getstate() == before


def test_a_path_is_the_same_each_time(world: World) -> None:
    assert world.links.path("a", "b") is world.path
    assert world.links.path("b", "a") is not world.path


def test_a_link_holds_in_both_directions_and_for_nobody_else(world: World) -> None:
    world.links.link("b", "a", latency=0.5)
    assert world.path.transmit(1) == world.links.path("b", "a").transmit(1) == 0.5
    assert world.links.path("a", "c").transmit(1) == LATENCY


def test_latency_may_be_drawn_for_each_packet(world: World) -> None:
    world.links.link("a", "b", latency=lambda source: source.uniform(0.1, 0.2))
    arrivals = world.arrivals(100)
    assert all(when is not None and 0.1 <= when <= 0.2 for when in arrivals)
    assert len(set(arrivals)) == 100
    assert arrivals == _arrivals_of(latency=lambda source: source.uniform(0.1, 0.2))


def _arrivals_of(**link: Any) -> list[float | None]:
    """What another world of the same seed says of a hundred packets."""
    world = World()
    world.links.link("a", "b", **link)
    return world.arrivals(100)


def test_packets_wait_for_each_other_behind_a_bandwidth(world: World) -> None:
    world.links.link("a", "b", latency=0.5, bandwidth=1000)
    assert world.arrivals(3) == pytest.approx([0.6, 0.7, 0.8])
    assert world.path.busy_until == pytest.approx(0.3)
    world.scheduler.advance(10.0)
    assert world.path.in_order(100) == pytest.approx(10.6)


def test_the_two_directions_do_not_wait_for_each_other(world: World) -> None:
    world.links.link("a", "b", latency=0.5, bandwidth=1000)
    world.path.transmit(5000)
    assert world.links.path("b", "a").transmit(100) == pytest.approx(0.6)


def test_loss_is_as_likely_as_was_said(world: World) -> None:
    world.links.link("a", "b", loss=0.25)
    lost = world.arrivals(4000).count(None)
    assert 900 < lost < 1100
    in_order = [world.path.in_order(100) for _ in range(4000)]
    assert 900 < in_order.count(None) < 1100


@pytest.mark.parametrize(("loss", "lost"), [(0.0, 0), (1.0, 50), (lambda source: 1.0, 50)])
def test_what_is_certain_is_certain(world: World, loss: Any, lost: int) -> None:
    world.links.link("a", "b", loss=loss)
    assert world.arrivals(50).count(None) == lost


def test_a_function_of_loss_can_come_in_bursts(world: World) -> None:
    storms = iter([0.0, 1.0, 1.0, 0.0])
    world.links.link("a", "b", loss=lambda source: next(storms))
    assert [when is None for when in world.arrivals(4)] == [False, True, True, False]


def test_reordering_lets_some_packets_overtake_others(world: World) -> None:
    world.links.link("a", "b", latency=0.01, reorder=0.5)
    arrivals = [when for when in world.arrivals(1000) if when is not None]
    late = sum(when > 0.01 for when in arrivals)
    assert len(arrivals) == 1000
    assert 400 < late < 600
    assert max(arrivals) <= 0.05
    assert arrivals != sorted(arrivals)
    assert {world.path.in_order(100) for _ in range(100)} == {0.01}


def test_a_reordered_packet_is_late_without_any_latency(world: World) -> None:
    world.links.link("a", "b", latency=0, reorder=1)
    assert all(when for when in world.arrivals(20))


def test_duplicates_are_as_likely_as_was_said(world: World) -> None:
    world.links.link("a", "b", duplicate=0.25)
    assert 200 < sum(world.path.duplicated() for _ in range(1000)) < 300


def test_a_partition_cuts_both_directions_until_it_is_healed(world: World) -> None:
    back = world.links.path("b", "a")
    world.links.partition("a", "b")
    assert world.path.cut
    assert back.cut
    assert world.path.transmit(1) is None
    assert world.path.in_order(1) is None
    assert not world.path.duplicated()
    world.links.heal("b", "a")
    assert world.path.transmit(1) == back.transmit(1) == LATENCY


def test_a_one_way_partition_cuts_one_direction(world: World) -> None:
    back = world.links.path("b", "a")
    world.links.partition("a", "b", one_way=True)
    assert (world.path.cut, back.cut) == (True, False)
    world.links.heal("a", "b")
    world.links.heal("a", "b")
    assert (world.path.cut, back.cut) == (False, False)


def test_a_link_that_changes_keeps_its_partition_and_what_is_in_line(world: World) -> None:
    world.links.link("a", "b", latency=0, bandwidth=1000)
    world.path.transmit(1000)
    world.links.partition("a", "b")
    world.links.link("a", "b", latency=0, bandwidth=100)
    assert world.path.transmit(100) is None
    world.links.heal("a", "b")
    assert world.path.transmit(100) == pytest.approx(2.0)


def test_what_is_not_given_is_as_in_the_beginning(world: World) -> None:
    world.links.link("a", "b", latency=9, loss=1, bandwidth=1)
    world.links.link("a", "b")
    assert world.path.transmit(100) == LATENCY


def test_changes_are_in_the_trace(world: World) -> None:
    def jitter(source: random.Random) -> float:
        return 0.1

    world.links.link("a", "b", latency=jitter, loss=0.125)
    world.links.partition("a", "b", one_way=True)
    world.links.heal("a", "b")
    told = [(event.kind, event.host, event.peer, event.detail) for event in world.trace]
    assert told == [
        ("link", "a", "b", "latency=jitter() loss=0.125"),
        ("partition", "a", "b", "one way"),
        ("heal", "a", "b", ""),
    ]


@pytest.mark.parametrize("what", ["latency", "bandwidth", "loss", "reorder", "duplicate"])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (-1, ValueError),
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        ("1", TypeError),
        (True, TypeError),
        (1j, TypeError),
    ],
)
def test_odd_values_are_refused_by_name(world: World, what: str, value: Any, error: type) -> None:
    with pytest.raises(error, match=what):
        world.links.link("a", "b", **{what: value})
    assert world.path.transmit(1) == LATENCY
    assert len(world.trace) == 0


@pytest.mark.parametrize("what", ["loss", "reorder", "duplicate"])
def test_chances_end_at_one(world: World, what: str) -> None:
    with pytest.raises(ValueError, match=f"{what} is 1.01: it must be 0 to 1"):
        world.links.link("a", "b", **{what: 1.01})
    with pytest.raises(ValueError, match=what):
        world.links.link("a", "a", **{what: 0.5})


def test_no_bandwidth_at_all_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="bandwidth"):
        world.links.link("a", "b", bandwidth=0)
    world.links.link("a", "b", bandwidth=lambda source: 0)
    with pytest.raises(ValueError, match="bandwidth from a to b"):
        world.path.transmit(1)


@pytest.mark.parametrize("what", ["latency", "bandwidth", "loss", "reorder", "duplicate"])
def test_what_a_function_gives_is_judged_when_it_is_drawn(world: World, what: str) -> None:
    world.links.link("a", "b", **{what: lambda source: -1})
    with pytest.raises(ValueError, match=f"{what} from a to b"):
        assert world.path.transmit(1) is None or world.path.duplicated()


@pytest.mark.parametrize(
    "call",
    [
        lambda links: links.link(1, "b"),
        lambda links: links.partition("a", None),
        lambda links: links.heal(b"a", "b"),
    ],
)
def test_hosts_are_named_by_text(world: World, call: Callable[[Links], None]) -> None:
    with pytest.raises(TypeError, match="is no host: it must be the name of one"):
        call(world.links)


def test_a_host_is_never_cut_off_from_itself(world: World) -> None:
    for call in (world.links.partition, world.links.heal):
        with pytest.raises(ValueError, match="b is 'a'"):
            call("a", "a")
