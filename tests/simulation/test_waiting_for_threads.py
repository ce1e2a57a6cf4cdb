"""A test's own code waits for what handlers do as it does elsewhere: the world goes on meanwhile."""

from __future__ import annotations

import concurrent.futures
import queue
import threading
import time

import pytest

from netcore import Action, Conn, EventHandler
from netcore.testing import Simulation, SimulationStuck


class Telling(EventHandler):
    """Tells of each connection, in the ways that tests use."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.queue: queue.Queue[str] = queue.Queue()
        self.future: concurrent.futures.Future[str] = concurrent.futures.Future()

    def on_open(self, conn: Conn) -> Action | None:
        self.event.set()
        self.queue.put("opened")
        if not self.future.done():
            self.future.set_result("opened")
        return None


@pytest.fixture
def simulation() -> Simulation:
    made = Simulation(0)
    made.host("a"), made.host("server")
    made.link("a", "server", latency=1.0)
    return made


def dialled(simulation: Simulation) -> Telling:
    handler = Telling()
    simulation.host("server").engine(handler, "tcp://:7000")
    simulation.host("a").dial("tcp://server:7000")
    return handler


def test_an_event(simulation: Simulation) -> None:
    handler = dialled(simulation)
    with simulation.host("a"):
        assert not handler.event.wait(0.5)
        assert simulation.now == 0.5
        assert handler.event.wait(30)
    assert simulation.now < 5


def test_a_queue(simulation: Simulation) -> None:
    handler = dialled(simulation)
    with simulation.host("a"):
        with pytest.raises(queue.Empty):
            handler.queue.get(timeout=0.5)
        assert handler.queue.get(timeout=30) == "opened"
        began = time.monotonic()
        with pytest.raises(queue.Empty):
            handler.queue.get(timeout=3.0)
        assert time.monotonic() - began == pytest.approx(3.0)


def test_a_future(simulation: Simulation) -> None:
    handler = dialled(simulation)
    with simulation.host("a"):
        assert handler.future.result(30) == "opened"


def test_a_condition_that_has_to_hold(simulation: Simulation) -> None:
    condition = threading.Condition()
    with simulation.host("a"), condition:
        assert not condition.wait_for(lambda: False, 2.0)
    assert simulation.now == pytest.approx(2.0)


def test_a_condition_is_held_again_after_a_wait(simulation: Simulation) -> None:
    condition = threading.Condition()
    with simulation.host("a"):
        with condition:
            assert not condition.wait(1.0)
            assert condition.notify_all() is None  # which takes the lock
        with pytest.raises(RuntimeError, match="un-acquired"):
            condition.wait(1.0)
    assert simulation.now == pytest.approx(1.0)


def test_what_nobody_will_tell_is_no_endless_wait(simulation: Simulation) -> None:
    with simulation.host("a"), pytest.raises(SimulationStuck, match="another thread: nothing is left"):
        threading.Event().wait()
