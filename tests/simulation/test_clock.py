"""The clocks of a simulated host."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore.poll import open_poller
from netcore.testing.simulation import HostClock, Simulation


class World:
    """A virtual time that the test moves, and a clock in it."""

    def __init__(self, index: int = 0) -> None:
        self.now = 0.0
        self.changes: list[str] = []
        self.clock = HostClock(lambda: self.now, index, self.changed)

    def changed(self, how: str) -> None:
        self.changes.append(how)


def test_both_clocks_run_with_the_world() -> None:
    world = World()
    monotonic, wall = world.clock(), world.clock.time()
    world.now = 12.5

    assert world.clock() == monotonic + 12.5
    assert world.clock.time() == wall + 12.5
    assert wall == 946_684_800.0  # 2000-01-01


def test_the_monotonic_clocks_of_two_hosts_differ() -> None:
    assert World(0).clock() != World(1).clock()


def test_a_skewed_clock_gains_from_then_on() -> None:
    world = World()
    before = world.clock()
    world.now = 10.0
    world.clock.skew(1.5)
    world.now = 12.0

    assert world.clock() == before + 10.0 + 3.0
    assert world.clock.time() == 946_684_800.0 + 13.0
    assert world.changes == ["rate 1.5"]
    assert world.clock.rate == 1.5


def test_a_jump_is_of_the_wall_clock_alone_and_may_go_back() -> None:
    world = World()
    before = world.clock()
    world.clock.jump(-3600)

    assert world.clock() == before
    assert world.clock.time() == 946_684_800.0 - 3600
    assert world.changes == ["wall clock -3600 s"]


def test_a_sleep_of_the_machine_moves_both() -> None:
    world = World()
    before = world.clock()
    world.clock.suspend(60)

    assert world.clock() == before + 60
    assert world.clock.time() == 946_684_800.0 + 60
    assert world.changes == ["both clocks +60 s"]


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    world = World()
    with pytest.raises(ValueError):
        world.clock.skew(rate)
    assert not world.changes


@pytest.mark.parametrize("length", [math.nan, math.inf, -math.inf])
def test_a_jump_that_is_none_is_refused(length: float) -> None:
    clock = World().clock
    with pytest.raises(ValueError):
        clock.jump(length)
    with pytest.raises(ValueError):
        clock.suspend(length)
    with pytest.raises(ValueError):
        clock.suspend(-1)


@given(st.floats(0, 1e7), st.floats(0.01, 100), st.floats(0, 1e6))
def test_when_a_time_is_shown_is_never_too_early_and_by_less_than_the_clock_can_tell_too_late(
    start: float, rate: float, delay: float
) -> None:
    world = World()
    world.now = start
    world.clock.skew(rate)
    due = world.clock() + delay
    world.now = world.clock.when(due)

    assert world.clock() >= due
    assert world.clock() - due < 1e-6


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def wait_with_a_poller(seconds: float) -> None:
    poller = open_poller()
    assert poller.wait(seconds) == ()
    poller.close()


def wait_for_bytes(seconds: float) -> None:
    near, far = socket.socketpair()
    with near, far:
        near.settimeout(seconds)
        with pytest.raises(TimeoutError):
            near.recv(1)


@pytest.mark.unix_sockets
@pytest.mark.parametrize("wait", [sleep, wait_with_a_poller, wait_for_bytes])
def test_a_host_waits_by_its_own_clock(wait: Callable[[float], None]) -> None:
    simulation = Simulation(0)
    host = simulation.host("a")
    host.clock.skew(2.0)
    with host:
        began = time.monotonic()
        wait(3.0)
        assert time.monotonic() - began == pytest.approx(3.0)
    assert simulation.now == pytest.approx(1.5)
