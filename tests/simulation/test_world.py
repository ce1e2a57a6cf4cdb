"""Engines and clients in a simulated world."""

from __future__ import annotations

import time

import pytest

from netcore import Action, Conn, EventHandler
from netcore.testing import RecordingHandler
from netcore.testing.simulation import Simulation, SimulationError, SimulationStuck, world


class Echo(EventHandler):
    def on_traffic(self, conn: Conn) -> Action | None:
        conn.write(conn.read())
        return None


class Caller(EventHandler):
    """Sends a number of messages, each when the one before has come back."""

    def __init__(self, count: int = 1, message: bytes = b"hello") -> None:
        self.left = count
        self.message = message
        self.received = b""
        self.closed = 0

    def on_open(self, conn: Conn) -> Action | None:
        conn.write(self.message)
        return None

    def on_traffic(self, conn: Conn) -> Action | None:
        self.received += conn.read()
        self.left -= 1
        if self.left:
            conn.write(self.message)
            return None
        return Action.CLOSE

    def on_close(self, conn: Conn, error: Exception | None) -> Action | None:
        self.closed += 1
        return None


def echo_world(seed: int = 0, count: int = 1) -> tuple[Simulation, Caller]:
    simulation = Simulation(seed)
    server, client = simulation.host("server"), simulation.host("client")
    server.engine(Echo(), "tcp://:7000")
    caller = Caller(count)
    client.client(caller).engine.dial("tcp://server:7000")
    return simulation, caller


def test_a_message_comes_back() -> None:
    simulation, caller = echo_world()
    simulation.run(until=lambda: caller.closed == 1)

    assert caller.received == b"hello"
    assert 0.003 < simulation.now < 0.1


def test_the_same_seed_gives_the_same_trace_and_another_one_another() -> None:
    digests = []
    for seed in (1, 1, 2):
        simulation, caller = echo_world(seed, count=20)
        simulation.run(until=lambda caller=caller: caller.closed == 1)
        digests.append(simulation.trace.digest())

    assert digests[0] == digests[1] != digests[2]


def test_virtual_time_takes_no_time() -> None:
    class Ticking(EventHandler):
        ticks = 0

        def on_tick(self, engine: object) -> float:
            self.ticks += 1
            return 60.0

    simulation, ticking = Simulation(), Ticking()
    simulation.host("server").engine(ticking, "tcp://:7000", ticker=True)
    simulation.run(until=86_400.0)

    assert simulation.now == 86_400.0
    assert ticking.ticks == 1440


def test_nobody_listens() -> None:
    simulation = Simulation()
    simulation.host("server")
    future = simulation.host("client").dial("tcp://server:7000")

    with pytest.raises(ConnectionRefusedError):
        future.result()


def test_a_dial_waits_outside_of_events() -> None:
    simulation = Simulation()
    simulation.host("server").engine(Echo(), "tcp://:7000")
    recording = RecordingHandler()
    conn = simulation.host("client").client(recording).dial("tcp://server:7000")

    assert str(conn.remote_address) == "tcp://10.0.0.1:7000"


def test_a_sleep_in_a_callback_names_its_line() -> None:
    class Sleeper(EventHandler):
        def on_traffic(self, conn: Conn) -> Action | None:
            time.sleep(1)
            return None

    simulation = Simulation()
    simulation.host("server").engine(Sleeper(), "tcp://:7000")
    simulation.host("client").client(Caller()).engine.dial("tcp://server:7000")

    with pytest.raises(SimulationError, match=r"time\.sleep\(1\).*test_world\.py:\d+ in on_traffic"):
        simulation.run(until=1.0)


def test_the_clock_of_a_callback_is_that_of_its_host() -> None:
    seen: list[float] = []

    class Looking(Echo):
        def on_open(self, conn: Conn) -> Action | None:
            seen.extend((time.monotonic(), time.time()))
            return None

    simulation = Simulation()
    server = simulation.host("server")
    server.engine(Looking(), "tcp://:7000")
    server.clock.jump(1000)
    caller = Caller()
    simulation.host("client").client(caller).engine.dial("tcp://server:7000")
    simulation.run(until=lambda: caller.closed == 1)

    assert 1000 < seen[0] < 1001
    assert 946_685_800 < seen[1] < 946_685_801


def test_a_stuck_world_says_who_waits() -> None:
    simulation, caller = echo_world()
    simulation.run(until=lambda: caller.closed == 1)

    with pytest.raises(SimulationStuck, match=r"host server:\n.*loop 0"):
        simulation.run(until=lambda: caller.closed == 2)


def test_an_engine_stops_in_order() -> None:
    simulation = Simulation()
    recording = RecordingHandler()
    engine = simulation.host("server").engine(recording, "tcp://:7000")
    simulation.host("client").client(Caller(count=1000)).dial("tcp://server:7000")

    assert engine.stop()
    assert engine.connection_count == 0


def test_the_faults_of_a_host_hit_what_runs_there_already() -> None:
    simulation = Simulation()
    server = simulation.host("server")
    server.engine(Echo(), "tcp://:7000")
    caller = Caller(count=50, message=b"!")  # which arrives in one piece, whatever happens
    simulation.host("client").dial("tcp://server:7000", handler=caller)
    simulation.run(until=lambda: caller.left < 40)
    server.faults.rate = 0.3
    simulation.run(until=lambda: caller.closed == 1)

    assert caller.received == b"!" * 50
    assert server.faults.injected


def test_who_waits_again_and_again_in_vain_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "_SPINS", 100)
    simulation = Simulation()
    engine = simulation.host("server").engine(Echo(), "tcp://:7000")

    with pytest.raises(SimulationStuck, match="one after the other"):
        engine.join()  # looks every second whether a signal has come
    with pytest.raises(SimulationStuck, match="one after the other"), simulation.host("server"):
        while engine.running:
            time.sleep(0.1)
