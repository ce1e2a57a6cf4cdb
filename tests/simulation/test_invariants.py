"""What has to hold after every event."""

from __future__ import annotations

import re
import time

import pytest

from netcore import Action, Conn, EventHandler
from netcore.testing.simulation import InvariantError, Simulation, SimulationError


class Counter(EventHandler):
    def __init__(self) -> None:
        self.count = 0

    def on_traffic(self, conn: Conn) -> Action | None:
        self.count += len(conn.read())
        return None


def counting(seed: int = 5) -> tuple[Simulation, Counter]:
    """A world in which a byte comes each second."""
    simulation, counter = Simulation(seed), Counter()
    simulation.host("server").engine(counter, "tcp://:7000")
    conn = simulation.host("client").dial("tcp://server:7000").result()
    for number in range(10):
        simulation.call_at(1.0 + number, conn.async_write, b"1")
    return simulation, counter


def test_one_that_raises_ends_the_run_with_the_event_that_has_broken_it() -> None:
    simulation, counter = counting()

    @simulation.invariant
    def few() -> None:
        assert counter.count < 3, f"{counter.count} are too many"

    with pytest.raises(InvariantError) as caught:
        simulation.run(until=20.0)

    message = str(caught.value)
    last = len(simulation.trace) - 2
    first, _, rest = message.partition("\n")
    assert re.fullmatch(
        rf"invariant few does not hold at 3\.00\d+ s, after event {last} \(seed 5\): 3 are too many.*", first
    )
    assert rest.splitlines()[-1].split()[:4] == [
        str(last),
        f"{simulation.now:.6f}",
        "traffic",
        "server",
    ]
    assert simulation.trace[-1][2:3] + simulation.trace[-1][6:7] == ("error", "invariant few does not hold")
    assert isinstance(caught.value.__cause__, AssertionError)
    assert isinstance(caught.value, AssertionError)


def test_one_that_returns_false_is_broken_and_one_that_returns_anything_else_is_not() -> None:
    simulation, counter = counting()
    simulation.invariant(lambda: None)
    simulation.invariant(lambda: 0)
    simulation.invariant(lambda: counter.count < 3)

    with pytest.raises(InvariantError, match=r"invariant <lambda> does not hold at 3\.0"):
        simulation.run(until=20.0)


def test_each_of_several_is_checked_whatever_it_is_called() -> None:
    simulation, counter = counting()
    for limit in (5, 2, 7):
        simulation.invariant(lambda limit=limit: counter.count < limit)

    with pytest.raises(InvariantError, match=r"at 2\.0"):
        simulation.run(until=20.0)


def test_one_that_is_removed_is_checked_no_more() -> None:
    simulation, counter = counting()

    class Bounds:
        def hold(self) -> bool:
            return counter.count < 3

    bounds = Bounds()
    simulation.invariant(bounds.hold)
    simulation.remove_invariant(bounds.hold)
    simulation.run(until=20.0)

    assert counter.count == 10
    with pytest.raises(ValueError, match="not among what is checked"):
        simulation.remove_invariant(bounds.hold)


def test_one_may_remove_itself() -> None:
    simulation, counter = counting()
    seen = []

    def once() -> None:
        seen.append(counter.count)
        simulation.remove_invariant(once)

    simulation.invariant(once)
    simulation.run(until=20.0)

    assert seen == [0]


def test_one_that_looks_on_changes_nothing() -> None:
    digests = []
    for looking in (False, True):
        simulation, counter = counting()
        if looking:
            simulation.invariant(lambda counter=counter: counter.count >= 0)
        simulation.run(until=20.0)
        digests.append(simulation.trace.digest())

    assert digests[0] == digests[1]


def test_one_that_waits_is_refused_and_named() -> None:
    simulation, _ = counting()
    simulation.invariant(lambda: time.sleep(1))

    with pytest.raises(
        SimulationError, match=r"invariant <lambda>.*time\.sleep\(1\).*test_invariants\.py:\d+"
    ):
        simulation.run(until=20.0)


def test_what_a_callback_has_made_of_a_refusal_does_not_hide_it() -> None:
    class Sleeper(EventHandler):
        def on_traffic(self, conn: Conn) -> Action | None:
            try:
                time.sleep(1)
            except SimulationError:
                raise KeyError("something else") from None

    simulation = Simulation()
    simulation.host("server").engine(Sleeper(), "tcp://:7000")
    conn = simulation.host("client").dial("tcp://server:7000").result()
    conn.async_write(b"1")
    with pytest.raises(SimulationError, match=r"time\.sleep\(1\)"):
        simulation.run(until=1.0)

    simulation.run(until=2.0)  # it has been told once


def test_one_event_that_raises_another_error_does_not_hide_it_either() -> None:
    simulation = Simulation()

    def event() -> None:
        try:
            time.sleep(1)
        except SimulationError:
            raise KeyError("something else") from None

    simulation.call_at(1.0, event)
    with pytest.raises(SimulationError, match=r"time\.sleep\(1\)") as caught:
        simulation.run(until=1.0)
    assert isinstance(caught.value.__cause__, KeyError)

    simulation.run(until=2.0)
