"""What the code of hosts raises and nobody catches: noted, kept, and no end of the run."""

from __future__ import annotations

import traceback
from concurrent.futures import Future

import pytest

import netcore.aio
from netcore import Conn, Engine, EventHandler
from netcore.testing.simulation import InvariantError, Simulation


class Careless(EventHandler):
    """Raises in every kind of place."""

    def on_boot(self, engine: Engine) -> None:
        loop = engine.loops[0]
        loop.schedule(1.0, self.late)
        loop.dial("tcp://client:9", timeout=1).add_done_callback(self.dialled)

    def on_tick(self, engine: Engine) -> float | None:
        raise KeyError("tick")

    def on_open(self, conn: Conn) -> None:
        raise AttributeError("open")

    def late(self) -> None:
        raise ValueError("late")

    def dialled(self, future: Future[Conn]) -> None:
        future.result()


class Serving(netcore.aio.AsyncHandler):
    async def serve(self, stream: netcore.aio.Stream) -> None:
        raise LookupError("serve")


async def failing() -> None:
    raise OSError("program")


def careless_world(seed: int = 1) -> Simulation:
    simulation = Simulation(seed)
    server, client = simulation.host("server"), simulation.host("client")
    server.engine(Careless(), "tcp://:7000", ticker=True)
    server.engine(Serving(), "tcp://:7001")
    client.program(failing)
    simulation.call_at(2, client.dial, "tcp://server:7000")
    simulation.call_at(3, client.dial, "tcp://server:7001")
    return simulation


def test_each_is_kept_and_noted_where_it_was_raised() -> None:
    with careless_world() as simulation:
        simulation.run(until=5)
        kinds = {type(error).__name__ for error in simulation.errors}
        noted = {(event.host, event.detail) for event in simulation.trace.events(kind="error")}
    assert kinds == {
        "KeyError",
        "OSError",
        "ConnectionRefusedError",
        "ValueError",
        "AttributeError",
        "LookupError",
    }
    assert {
        ("server", "on_tick KeyError"),
        ("server", "Careless.late ValueError"),
        ("server", "Careless.dialled ConnectionRefusedError"),
        ("server", "#1 AttributeError"),
        ("server", "#2 LookupError"),
        ("client", "failing ends by OSError"),
    } <= noted


def test_they_are_in_order_and_have_their_tracebacks() -> None:
    with careless_world() as simulation:
        simulation.run(until=5)
        (late,) = (error for error in simulation.errors if isinstance(error, ValueError))
        names = [frame.name for frame in traceback.extract_tb(late.__traceback__)]
        events = simulation.trace.events(kind="error")
    assert names[-1] == "late"
    told = [event.detail.rpartition(" ")[2] for event in events]
    assert told == [type(error).__name__ for error in simulation.errors]


def test_an_invariant_of_none_ends_the_run_at_the_first() -> None:
    with careless_world() as simulation:
        simulation.invariant(lambda: not simulation.errors)
        with pytest.raises(InvariantError):
            simulation.run(until=5)
        assert len(simulation.errors) == 1


def test_no_more_than_a_thousand_are_kept() -> None:
    class Failing(EventHandler):
        def on_boot(self, engine: Engine) -> None:
            for _ in range(1200):
                engine.loops[0].execute(self.fail)

        def fail(self) -> None:
            raise ValueError

    with Simulation() as simulation:
        simulation.host("a").engine(Failing(), "tcp://:7000")
        simulation.run(until=1)
        assert len(simulation.errors) == 1000
        assert len(simulation.trace.events(kind="error")) == 1200
