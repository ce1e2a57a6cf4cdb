"""What a simulation refuses, and says so: odd arguments, and calls at the wrong time or place."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import pytest

from netcore import Action, Conn, EventHandler
from netcore.testing import FaultPlan, Host, Simulation, SimulationError, SimulationStuck
from netcore.testing.simulation import (
    ClockJump,
    ClockSkew,
    Crash,
    LinkChange,
    Partition,
    Scenario,
    Schedule,
    Spikes,
)


def limit(simulation: Simulation, descriptors: Any) -> None:
    simulation.host("a").descriptor_limit = descriptors


def fail(simulation: Simulation, plan: Any) -> None:
    simulation.host("a").faults = plan


def rate(simulation: Simulation, often: Any) -> None:
    simulation.host("a").faults.rate = often


@pytest.mark.parametrize("seed", [None, True, 1.5, [], bytearray(b"x")])
def test_a_seed_is_an_int_text_or_bytes(seed: Any) -> None:
    with pytest.raises(TypeError, match="seed is "):
        Simulation(seed)


@pytest.mark.parametrize(
    "name", ["", "a b", "-", "a..b", "a/b", "10.0.0.1", "::1", "[::1]", "localhost", "a:1"]
)
def test_a_host_has_a_name_that_others_can_dial(name: str) -> None:
    with pytest.raises(ValueError, match="is no name for a host"):
        Simulation().host(name)


@pytest.mark.parametrize("name", [None, 5, b"a"])
def test_a_hosts_name_is_text(name: Any) -> None:
    with pytest.raises(TypeError, match="must be text"):
        Simulation().host(name)


@pytest.mark.parametrize("name", ["a", "A", "node-1", "node_1", "db.example", "x" * 63])
def test_these_are_names_of_hosts(name: str) -> None:
    simulation = Simulation()
    simulation.host(name).engine(EventHandler(), "tcp://:7000")
    assert simulation.host("client").dial(f"tcp://{name}:7000").result()


def test_a_host_of_another_simulation_is_none_of_this_one() -> None:
    simulation, other = Simulation(), Simulation()
    simulation.host("a")
    simulation.host("b")
    with pytest.raises(ValueError, match="of another simulation"):
        simulation.partition("a", other.host("b"))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda simulation: simulation.run(math.inf), ValueError),
        (lambda simulation: simulation.call_at(math.inf, print), ValueError),
        (lambda simulation: simulation.call_later(math.inf, print), ValueError),
        (lambda simulation: simulation.call_at(1, 5), TypeError),
        (lambda simulation: simulation.call_later(1, None), TypeError),
        (lambda simulation: simulation.invariant(5), TypeError),
        (lambda simulation: simulation.host("a").clock.jump(True), TypeError),
        (lambda simulation: simulation.host("a").clock.jump(None), TypeError),
        (lambda simulation: simulation.host("a").clock.jump(-math.inf), ValueError),
    ],
)
def test_arguments_that_are_refused(call: Callable[[Any], object], error: type[Exception]) -> None:
    simulation = Simulation()
    with pytest.raises(error):
        call(simulation)
    simulation.run(until=1)
    assert simulation.now == 1


@pytest.mark.parametrize(
    ("call", "error", "why"),
    [
        (lambda _: Simulation(trace_limit="5"), TypeError, "a trace's limit is '5'"),  # type: ignore[arg-type]
        (lambda _: Simulation(trace_limit=True), TypeError, "a trace's limit is True"),
        (lambda _: Simulation(trace_limit=-1), ValueError, "a trace's limit is -1"),
        (lambda simulation: simulation.chaos(5, most=0), ValueError, "most is 0: it must be at least 1"),
        (lambda simulation: simulation.chaos(5, most=1.5), TypeError, r"most is 1\.5: it must be an int"),
        (lambda simulation: simulation.chaos(5, most=True), TypeError, "most is True"),
        (lambda simulation: simulation.chaos(5, hosts="a"), TypeError, "hosts is 'a': it must be several"),
        (lambda simulation: simulation.chaos(5, restart=5), TypeError, "5 cannot be called"),
        (lambda simulation: simulation.link("a", []), TypeError, r"\[\] is no host"),
        (lambda simulation: simulation.partition("a", 5), TypeError, "5 is no host"),
        (lambda _: LinkChange(1, "a", "b", loss=5), ValueError, "loss is 5"),
        (lambda _: LinkChange(1, "a", "a", loss=0.5), ValueError, "loss is between hosts"),
        (lambda _: LinkChange(1, "a", 5), TypeError, "b is 5: it must be a host's name, or a tuple"),  # type: ignore[arg-type]
        (lambda _: LinkChange(1, "a", ()), ValueError, "there is nobody on one side"),
        (lambda _: LinkChange(1, "a", ("b", "a"), loss=0.5), ValueError, "loss is between hosts"),
        (lambda _: Spikes(-1, 1, 0.1), ValueError, "latency is -1"),
        (
            lambda _: Spikes(1, print, 0.1),
            TypeError,
            "spike is <built-in function print>: it must be a number",
        ),
        (lambda _: Spikes(1, 2, 1.5), ValueError, r"chance is 1\.5: it must be 0 to 1"),
        (lambda _: ClockSkew(1, "a", 0), ValueError, "the rate of a clock"),
        (lambda _: ClockJump(1, "a", math.inf), ValueError, "a jump of the clock is inf"),
        (lambda _: Schedule(5), TypeError, "5 is no fault"),  # type: ignore[arg-type]
        (lambda simulation: limit(simulation, "5"), TypeError, "descriptor_limit is '5': it must be an int"),
        (lambda simulation: limit(simulation, -1), ValueError, "descriptor_limit is -1"),
        (lambda simulation: fail(simulation, 5), TypeError, "faults is 5: it must be a FaultPlan"),
        (lambda _: FaultPlan(rate=1.5), ValueError, r"rate is 1\.5: it must be 0 to 1"),
        (lambda simulation: rate(simulation, "1"), TypeError, "rate is '1': it must be a number"),
        (lambda _: FaultPlan().script("recieve", 5), ValueError, "'recieve' is no operation: there are"),
        (lambda simulation: simulation.chaos(5, hosts=5), TypeError, "hosts is 5: it must be several"),
        (lambda simulation: simulation.chaos(5, kinds=5), TypeError, "kinds is 5: it must be several"),
        (lambda simulation: simulation.partition("a", "b", "c"), TypeError, "one_way is 'c': it must be"),
        (lambda _: Partition(1, "a", "b", one_way="c"), TypeError, "one_way is 'c'"),  # type: ignore[arg-type]
        (lambda _: Partition(1, 5, "b"), TypeError, "a is 5: it must be a host's name, or"),  # type: ignore[arg-type]
        (lambda _: Partition(1, "a", ("b", 5)), TypeError, "5 is no host"),  # type: ignore[arg-type]
        (lambda _: Crash(1, None), TypeError, "None is no host"),  # type: ignore[arg-type]
        (lambda _: ClockJump(1, ["a"], 5), TypeError, r"\['a'\] is no host"),  # type: ignore[arg-type]
        (lambda _: ClockJump(1, "a", 10**400), ValueError, "a jump of the clock is 1000"),
        (lambda simulation: simulation.link("a", "a", latency=10**400), ValueError, "latency is 1000"),
        (lambda _: Schedule().apply(5), TypeError, "5 is no simulation"),  # type: ignore[arg-type]
        (lambda _: Schedule().apply(Simulation), TypeError, "Simulation'> is no simulation"),  # type: ignore[arg-type]
        (lambda simulation: Schedule().apply(simulation, restart=5), TypeError, "5 cannot be called"),
        (lambda simulation: simulation.trace.tail("5"), TypeError, "count is '5': it must be an int"),
        (lambda simulation: simulation.trace.tail(-1), ValueError, "count is -1: it must be at least 0"),
        (lambda simulation: simulation.trace.first_difference(5), TypeError, "5 is no trace"),
        (lambda simulation: simulation.trace.note("note", "a", detail=b"x"), TypeError, "detail is b'x'"),
        (lambda simulation: simulation.trace.note("note", None), TypeError, "host is None: it must be text"),
        (lambda simulation: simulation.trace.note("note", size=1.5), TypeError, r"size is 1\.5"),
        (lambda simulation: simulation.trace.note("note", size=1 << 63), ValueError, "size is 9223372036854"),
        (lambda simulation: simulation.trace.note("note", cause=5), ValueError, "cause is 5: it must be the"),
        (lambda simulation: simulation.trace.note("note", data="x"), TypeError, "bytes-like"),
        (lambda _: Scenario(1, "ab"), TypeError, "hosts is 'ab': it must be several"),  # type: ignore[arg-type]
        (lambda _: Scenario(1, ("a", 5)), TypeError, "5 is no host"),  # type: ignore[arg-type]
        (lambda _: Scenario(1, ("a",), faults=5), TypeError, "faults is 5: it must be a Sched"),  # type: ignore[arg-type]
        (lambda simulation: simulation.host([]), TypeError, r"a host's name is \[\]: it must be text"),
    ],
)
def test_an_argument_that_is_refused_is_named(
    call: Callable[[Any], object], error: type[Exception], why: str
) -> None:
    simulation = Simulation()
    simulation.host("a")
    simulation.host("b")
    with pytest.raises(error, match=why):
        call(simulation)
    simulation.run(until=5)
    assert len(simulation.trace.digest()) == 32


def test_a_limit_without_end_ends_where_nothing_is_left() -> None:
    simulation = Simulation()
    simulation.call_at(5, int)
    with pytest.raises(SimulationStuck, match="nothing is left to happen"):
        simulation.run(until=lambda: False, limit=math.inf)
    assert simulation.now == 5


def test_an_event_cannot_have_the_world_go_on() -> None:
    simulation = Simulation()

    class Running(EventHandler):
        def on_open(self, conn: Conn) -> Action | None:
            simulation.run(until=20)
            return None

    simulation.host("server").engine(Running(), "tcp://:7000")
    simulation.host("client").dial("tcp://server:7000")
    with pytest.raises(SimulationError, match=r"run\(\).* an event .*test_odd_arguments\.py:\d+ in on_open"):
        simulation.run(until=5)
    assert simulation.now < 1


def test_other_threads_are_refused() -> None:
    simulation = Simulation()
    host = simulation.host("a")
    calls: list[Callable[[], object]] = [
        lambda: simulation.run(1),
        simulation.close,
        host.__enter__,
        host.restart,
        lambda: host.engine(EventHandler(), "tcp://:7000"),
        lambda: host.dial("tcp://a:7000"),
    ]
    refused: list[str] = []

    def try_all() -> None:
        for call in calls:
            with pytest.raises(SimulationError) as caught:
                call()
            refused.append(str(caught.value))

    thread = threading.Thread(target=try_all)
    thread.start()
    thread.join()
    assert refused == ["a simulation is on one thread, and this is another one"] * len(calls)
    assert threading.Thread.start.__module__ == "threading"


@pytest.mark.parametrize(
    "call", [Host.__enter__, Host.restart, lambda host: host.engine(EventHandler(), "tcp://:7000")]
)
def test_a_simulation_that_is_closed_takes_no_more(call: Callable[[Host], object]) -> None:
    simulation = Simulation()
    host = simulation.host("a")
    simulation.close()
    with pytest.raises(SimulationError, match="closed"):
        call(host)


def test_an_admin_server_is_refused() -> None:
    host = Simulation().host("a")
    for call in (
        lambda: host.engine(EventHandler(), "tcp://:7000", admin="tcp://127.0.0.1:9000"),
        lambda: host.client(EventHandler(), admin="tcp://127.0.0.1:9000"),
    ):
        with pytest.raises(SimulationError, match="option admin"):
            call()
    host.engine(EventHandler(), "tcp://:7000")


def test_a_world_in_a_world() -> None:
    """Such as a test of a test: the inner one ends, and the outer one goes on."""
    inner_now: list[float] = []

    class Testing(EventHandler):
        def on_open(self, conn: Conn) -> Action | None:
            with Simulation(2) as inner:
                inner.host("server").engine(EventHandler(), "tcp://:7000")
                inner.host("client").dial("tcp://server:7000").result()
                inner.run(until=100)
                inner_now.append(inner.now)
            return None

    with Simulation(1) as simulation:
        simulation.host("server").engine(Testing(), "tcp://:7000")
        simulation.host("client").dial("tcp://server:7000").result()
        simulation.run(until=3)
        assert (simulation.now, inner_now) == (3, [100])
