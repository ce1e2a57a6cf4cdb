"""Hosts that crash and come back, and what their peers see of it."""

from __future__ import annotations

import pytest

from netcore import Action, CloseReason, Conn, EngineNotRunningError, EventHandler
from netcore.testing import Host, Simulation, SimulationError, SimulationStuck


class Counter(EventHandler):
    """Answers each message with how many it has had; what it starts with is what a crash has left."""

    def __init__(self, count: int = 0) -> None:
        self.count = count
        self.booted = self.shut_down = self.closed = 0

    def on_boot(self, engine: object) -> Action | None:
        self.booted += 1
        return None

    def on_shutdown(self, engine: object) -> None:
        self.shut_down += 1

    def on_traffic(self, conn: Conn) -> Action | None:
        self.count += len(conn.read())
        conn.write(f"{self.count} ".encode())
        return None

    def on_close(self, conn: Conn, error: Exception | None) -> Action | None:
        self.closed += 1
        return None


class Asking(EventHandler):
    """Asks each second, and notes how its connections end."""

    def __init__(self) -> None:
        self.received = b""
        self.ends: list[tuple[CloseReason | None, str]] = []

    def on_open(self, conn: Conn) -> Action | None:
        self.ask(conn)
        return None

    def ask(self, conn: Conn) -> None:
        if not conn.closed:
            conn.write(b"?")
            conn.loop.schedule(1.0, self.ask, conn)

    def on_traffic(self, conn: Conn) -> Action | None:
        self.received += conn.read()
        return None

    def on_close(self, conn: Conn, error: Exception | None) -> Action | None:
        self.ends.append((conn.close_reason, type(error).__name__))
        return None


class World:
    """A server that counts, and a client that asks."""

    def __init__(self, seed: int = 0) -> None:
        self.simulation = Simulation(seed)
        self.server: Host = self.simulation.host("server")
        self.client: Host = self.simulation.host("client")
        self.counter = Counter()
        self.engine = self.server.engine(self.counter, "tcp://:7000")
        self.asking = Asking()
        self.client.dial("tcp://server:7000", handler=self.asking)


def test_a_crash_calls_nobody_and_the_peer_sees_silence() -> None:
    world = World()
    world.simulation.run(until=2.5)
    world.server.crash()
    world.server.crash()
    world.simulation.run(until=60.0)

    assert not world.server.up
    assert world.asking.received == b"1 2 3 "
    assert world.asking.ends == []
    assert (world.counter.closed, world.counter.shut_down) == (0, 0)


def test_a_peer_gives_up_on_silence_after_the_system_does() -> None:
    world = World()
    world.simulation.run(until=2.5)
    world.server.crash()
    world.simulation.run(until=lambda: bool(world.asking.ends), limit=3600)

    assert world.asking.ends == [(CloseReason.ERROR, "TimeoutError")]
    assert 900 < world.simulation.now < 1000  # tcp_retries2 of Linux


def test_after_a_restart_the_peer_is_reset() -> None:
    world = World()
    world.simulation.run(until=2.5)
    world.server.crash()
    world.simulation.run(until=4.0)
    (engine,) = world.server.restart()
    world.simulation.run(until=lambda: bool(world.asking.ends), limit=60)

    assert world.asking.ends == [(CloseReason.ERROR, "ConnectionResetError")]
    assert engine.running
    assert engine.addresses == world.engine.addresses
    assert world.counter.booted == 2


def test_a_restart_has_the_state_that_it_is_given() -> None:
    world = World()
    world.simulation.run(until=2.5)
    world.server.crash()
    world.server.restart(Counter(world.counter.count))
    world.asking.received = b""
    world.client.dial("tcp://server:7000", handler=world.asking)
    world.simulation.run(until=lambda: bool(world.asking.received))

    assert world.asking.received == b"4 "


def test_a_restart_of_a_host_that_runs_is_a_crash_before() -> None:
    world = World()
    world.simulation.run(until=0.5)
    world.server.restart()
    world.simulation.run(until=lambda: bool(world.asking.ends), limit=60)

    assert world.asking.ends == [(CloseReason.ERROR, "ConnectionResetError")]
    assert world.counter.closed == 0


def test_an_engine_that_had_stopped_is_not_started_again() -> None:
    world = World()
    world.engine.stop()
    world.server.crash()

    assert world.server.restart() == []
    with pytest.raises(ConnectionRefusedError):
        world.client.dial("tcp://server:7000").result()


def test_more_handlers_than_engines_are_refused_and_nothing_happens() -> None:
    world = World()
    with pytest.raises(ValueError, match="2 handlers are given, and 1 engines"):
        world.server.restart(Counter(), Counter())
    assert world.server.up
    assert world.engine.running


def test_what_was_on_a_crashed_host_says_so() -> None:
    world = World()
    conn = world.server.dial("tcp://server:7000").result()
    future = world.client.dial("tcp://server:7000")
    world.server.crash()
    world.client.crash()

    with pytest.raises(EngineNotRunningError, match="was on a host that has crashed"):
        world.engine.listen("tcp://:7001")
    with pytest.raises(EngineNotRunningError, match="was on a host that has crashed"):
        future.result()
    with pytest.raises(EngineNotRunningError):
        conn.loop.execute(print)
    with pytest.raises(SimulationError, match="host 'server' has crashed"):
        world.server.engine(Counter(), "tcp://:7001")


def test_a_dial_to_a_host_that_is_down_ends_when_the_system_gives_up() -> None:
    world = World()
    world.server.crash()
    future = world.client.dial("tcp://server:7000")

    with pytest.raises(TimeoutError):
        future.result()
    assert 120 < world.simulation.now < 135  # tcp_syn_retries of Linux


def test_a_host_may_crash_itself() -> None:
    class Falling(Counter):
        def on_traffic(self, conn: Conn) -> Action | None:
            server.crash()
            conn.write(b"still here")
            return None

    simulation = Simulation()
    server = simulation.host("server")
    server.engine(Falling(), "tcp://:7000")
    asking = Asking()
    simulation.host("client").dial("tcp://server:7000", handler=asking)
    simulation.run(until=5.0)

    assert not server.up
    assert asking.received == b"still here"  # what the callback's turn has still sent
    assert asking.ends == []


def test_what_waits_for_a_crashed_host_is_told() -> None:
    world = World()
    world.server.crash()
    world.client.crash()

    with pytest.raises(SimulationStuck, match="host server, which has crashed"):
        world.simulation.run(until=lambda: False)


def test_crashes_happen_the_same_way_each_time() -> None:
    def story(seed: int) -> str:
        world = World(seed)
        for when in (1.5, 3.25, 3.26, 7.0):
            world.simulation.call_at(when, world.server.crash)
            world.simulation.call_at(when + 0.5, world.server.restart)
            world.simulation.call_at(
                when + 0.75, lambda: world.client.dial("tcp://server:7000", handler=world.asking)
            )
        world.simulation.run(until=20.0)
        return world.simulation.trace.digest()

    assert story(1) == story(1) != story(2)


def test_a_host_that_restarts_itself_is_up_when_its_code_has_returned() -> None:
    class Restarting(EventHandler):
        def on_traffic(self, conn: Conn) -> Action | None:
            conn.read()
            assert host.restart(Restarting()) == []
            assert host.up
            return None

    with Simulation() as simulation:
        host = simulation.host("server")
        host.engine(Restarting(), "tcp://:7000")
        conn = simulation.host("client").dial("tcp://server:7000").result()
        conn.async_write(b"now")
        simulation.run(until=1)
        assert host.up
        kinds = [event.kind for event in simulation.trace.events(("crash", "restart"))]
        assert kinds == ["crash", "restart"]
        assert simulation.host("client").dial("tcp://server:7000").result()
