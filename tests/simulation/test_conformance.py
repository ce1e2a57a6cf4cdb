"""A simulated host is one more backend: the checks for pollers and sockets pass on it, as they are.

That they find faults there as elsewhere is tried next to the faults, in the tests of the checks.
"""

from __future__ import annotations

import sys
from functools import partial

import pytest

from netcore.poll import open_poller, registry
from netcore.sockets import PureSockets
from netcore.testing import (
    FaultPlan,
    FaultyPoller,
    FaultySockets,
    Simulation,
    check_poller,
    check_sockets,
)
from netcore.testing.conformance.surroundings import Surroundings, surroundings

SEEDS = (0, 1, 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_poller_of_a_host(seed: int) -> None:
    with Simulation(seed).host("a"):
        check_poller(open_poller)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("sizes", [(), (4096, 16384), (1 << 20, 1)], ids=["plain", "small", "one-at-a-time"])
def test_sockets_on_a_host(seed: int, sizes: tuple[int, ...]) -> None:
    with Simulation(seed).host("a"):
        check_sockets(partial(PureSockets, *sizes))


def test_what_may_go_wrong_and_does_not() -> None:
    host = Simulation(0).host("a")
    with host:
        check_poller(lambda: FaultyPoller(open_poller(), FaultPlan()))
        check_sockets(lambda: FaultySockets(PureSockets(), FaultPlan()))


def test_a_poller_of_ones_own_over_selectors(monkeypatch: pytest.MonkeyPatch) -> None:
    # The import registers the poller: no other test of this process is to know it.
    monkeypatch.setattr(registry, "_factories", dict(registry._factories))
    monkeypatch.delitem(sys.modules, "examples.custom_poller", raising=False)
    from examples.custom_poller import SelectorsPoller

    with Simulation(0).host("a"):
        check_poller(SelectorsPoller)


@pytest.mark.parametrize("rate", [0.5, 1.01, 3.0])
def test_a_clock_that_runs_at_another_rate(rate: float) -> None:
    host = Simulation(0).host("a")
    host.clock.skew(rate)
    with host:
        check_poller(open_poller)


def test_a_host_that_has_restarted() -> None:
    simulation = Simulation(0)
    host = simulation.host("a")
    host.restart()
    with host:
        check_poller(open_poller)
        check_sockets(PureSockets)


def test_it_is_the_same_each_time() -> None:
    digests = []
    for _ in range(2):
        simulation = Simulation(3)
        with simulation.host("a"):
            check_sockets(PureSockets)
        digests.append(simulation.trace.digest())
    assert digests[0] == digests[1]


def test_what_is_beside_a_check_goes_on_in_virtual_time() -> None:
    simulation = Simulation(0)
    host = simulation.host("a")
    steps: list[float] = []

    def step() -> bool:
        steps.append(simulation.now)
        return len(steps) < 3

    with host:
        surroundings().beside(2.0, step).join()
        cancelled = surroundings().beside(1.0, lambda: steps.append(-1.0))
        cancelled.cancel()
        cancelled.join()
    simulation.run(until=20.0)

    assert steps == [2.0, 4.0, 6.0]


def test_what_is_beside_a_check_ends_with_its_host() -> None:
    simulation = Simulation(0)
    host = simulation.host("a")
    steps: list[float] = []
    with host:
        beside = surroundings().beside(1.0, lambda: steps.append(simulation.now) or True)
    simulation.call_at(2.5, host.crash)
    simulation.run(until=5.0)

    assert steps == [1.0, 2.0]
    with host:
        beside.join()


def test_elsewhere_it_is_the_machines_own() -> None:
    assert type(surroundings()) is Surroundings
