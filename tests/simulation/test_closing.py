"""The end of a simulated world."""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable

import pytest

from netcore import Action, Conn, EventHandler
from netcore.testing import RecordingHandler
from netcore.testing.simulation import InvariantError, Simulation, SimulationError
from netcore.worker import WorkerPool


class Chatty(EventHandler):
    def on_open(self, conn: Conn) -> Action | None:
        conn.write(b"hello")
        return None

    def on_traffic(self, conn: Conn) -> Action | None:
        conn.write(conn.read())
        return None


def busy(simulation: Simulation) -> None:
    """Has a world with connections, timers, jobs and a dial under way."""
    server, client = simulation.host("server"), simulation.host("client")
    server.engine(Chatty(), "tcp://:7000", "udp://:7001")
    client.client(Chatty()).engine.dial("tcp://server:7000")
    simulation.host("silent").crash()
    client.client(Chatty()).engine.dial("tcp://silent:7000")
    with server:
        pool = WorkerPool()
        for _ in range(10):
            pool.submit(time.monotonic)
    simulation.call_at(1000.0, simulation.host("server").crash)
    simulation.chaos(100.0)
    simulation.run(until=0.005)


def test_nothing_real_is_left(
    open_descriptors: Callable[[], set[str]], new_threads: Callable[[str], list[threading.Thread]]
) -> None:
    before = open_descriptors()
    with Simulation() as simulation:
        busy(simulation)

    assert open_descriptors() == before
    assert new_threads("") == []


def test_a_closed_world_does_not_go_on_but_has_its_trace() -> None:
    simulation = Simulation()
    busy(simulation)
    count = simulation.trace.count
    simulation.close()
    simulation.close()

    assert simulation.trace.count == count > 10
    assert len(simulation._world.scheduler) == 0
    with pytest.raises(SimulationError, match="the simulation is closed"):
        simulation.run(until=10.0)
    with pytest.raises(SimulationError, match="the simulation is closed"):
        simulation.host("client").dial("tcp://server:7000").result()
    with pytest.raises(SimulationError, match="the simulation is closed"):
        simulation.host("new")


def test_handlers_are_told_nothing_as_in_a_crash(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    recording = RecordingHandler()
    with Simulation() as simulation:
        simulation.host("server").engine(recording, "tcp://:7000")
        simulation.host("client").dial("tcp://server:7000").result()
        simulation.run(until=1.0)
        names = [event.name for event in recording.events]
        caplog.clear()

    assert [event.name for event in recording.events] == names
    assert "on_open" in names
    assert not caplog.records


def test_a_world_that_has_failed_is_closed_like_any_other() -> None:
    simulation = Simulation()
    simulation.invariant(lambda: simulation.now < 0.002)
    with pytest.raises(InvariantError), simulation:
        busy(simulation)

    assert simulation._world.closed


def test_an_event_cannot_close_its_world() -> None:
    simulation = Simulation()
    simulation.call_at(1.0, simulation.close)
    with pytest.raises(SimulationError, match="an event of a simulation cannot close it"):
        simulation.run(until=1.0)

    simulation.close()


def test_what_a_closed_world_had_is_let_go_of() -> None:
    simulation = Simulation()
    busy(simulation)
    things = [weakref.ref(each) for each in (*simulation.hosts, simulation._world, simulation)]
    engines = [weakref.ref(engine) for host in simulation.hosts for engine in host._engines]
    simulation.close()
    del simulation
    gc.collect()

    assert [each for each in things + engines if each() is not None] == []


def test_worlds_within_each_other_and_after_each_other_are_apart() -> None:
    with Simulation(1) as outer:
        busy(outer)
        with Simulation(1) as inner:
            busy(inner)
        assert inner.trace.digest() == outer.trace.digest()
        outer.run(until=1.0)

    assert time.monotonic() != 1.0
    assert outer.trace.count > inner.trace.count
