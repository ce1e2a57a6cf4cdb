"""Engines whose loops host an asyncio loop, in a simulated world."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

import pytest

from netcore import Action, Conn, EventHandler
from netcore.aio import AsyncHandler, Stream, loop_of
from netcore.testing import FaultPlan
from netcore.testing.simulation import Host, Simulation


class Echo(AsyncHandler):
    """Sends back what comes, a second later."""

    def __init__(self) -> None:
        self.ended: list[object] = []

    async def serve(self, stream: Stream) -> None:
        try:
            while data := await stream.read(100):
                await asyncio.sleep(1)
                stream.write(data)
        finally:
            self.ended.append(stream.conn.id)


@pytest.fixture
def simulation() -> Simulation:
    return Simulation()


@pytest.fixture
def server(simulation: Simulation) -> Host:
    return simulation.host("server")


async def ask(message: bytes = b"hello") -> bytes:
    reader, writer = await asyncio.open_connection("server", 7000)
    writer.write(message)
    answer = await reader.readexactly(len(message))
    writer.close()
    await writer.wait_closed()
    return answer


async def stay() -> bytes:
    reader, writer = await asyncio.open_connection("server", 7000)
    try:
        return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("loops", [1, 3])
def test_a_coroutine_for_each_connection(simulation: Simulation, server: Host, loops: int) -> None:
    handler = Echo()
    server.engine(handler, "tcp://:7000", num_event_loops=loops)
    programs = [simulation.host("client").program(ask, b"%d" % number) for number in range(10)]

    assert [program.result() for program in programs] == [b"%d" % number for number in range(10)]
    simulation.run(until=lambda: len(handler.ended) == 10)
    assert 1 < simulation.now < 1.1


def test_the_engine_stops_in_order(simulation: Simulation, server: Host) -> None:
    handler = Echo()
    handler.grace = 5
    engine = server.engine(handler, "tcp://:7000", shutdown_timeout=20)
    clients = [simulation.host("client").program(stay) for _ in range(5)]
    simulation.run(until=1)

    assert engine.stop()
    assert len(handler.ended) == 5
    assert [client.result() for client in clients] == [b""] * 5
    assert simulation.now < 2


def test_tasks_are_cancelled_in_their_order_at_the_end(simulation: Simulation, server: Host) -> None:
    ended = []

    class Busy(EventHandler):
        def on_open(self, conn: Conn) -> Action | None:
            for number in range(20):
                loop_of(conn).create_task(self.stay(number))
            return None

        async def stay(self, number: int) -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                ended.append(number)
                await asyncio.sleep(0.01)

    engine = server.engine(Busy(), "tcp://:7000", asyncio=True)
    client = simulation.host("client").program(stay)
    simulation.run(until=1)
    assert engine.stop()

    assert ended == list(range(20))
    assert client.result() == b""


def test_tasks_that_go_on_are_left_behind(
    simulation: Simulation, server: Host, caplog: pytest.LogCaptureFixture
) -> None:
    class Stubborn(AsyncHandler):
        async def serve(self, stream: Stream) -> None:
            while True:
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    pass

    engine = server.engine(Stubborn(), "tcp://:7000", shutdown_timeout=2)
    simulation.host("client").program(stay)
    simulation.run(until=1)
    engine.stop()

    assert 3 < simulation.now < 4
    assert "1 tasks of loop 0 have not ended in time" in caplog.text


def test_an_exit_in_a_coroutine_ends_the_engine(
    simulation: Simulation, server: Host, caplog: pytest.LogCaptureFixture
) -> None:
    class Leaving(AsyncHandler):
        async def serve(self, stream: Stream) -> None:
            await asyncio.sleep(1)
            sys.exit(3)

    engine = server.engine(Leaving(), "tcp://:7000")
    client = simulation.host("client").program(stay)
    simulation.run(until=lambda: not engine.running)

    assert client.result() == b""
    assert "loop 0 ends the engine" in caplog.text


def test_a_poller_that_fails_for_good_ends_it(
    simulation: Simulation, server: Host, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Echo()
    engine = server.engine(handler, "tcp://:7000")
    client = simulation.host("client").program(stay)
    simulation.run(until=1)
    loop: Any = engine.loops[0]

    def fail(timeout: float | None) -> None:
        raise ValueError("the poller is broken")

    loop.poller.wait = fail
    loop.execute(int)
    simulation.run(until=lambda: not engine.running)

    assert "loop 0 failed and ends" in caplog.text
    assert len(handler.ended) == 1
    with pytest.raises(ConnectionError):
        client.result()


def test_faults_of_sockets_and_pollers(simulation: Simulation, server: Host) -> None:
    server.faults = FaultPlan(seed=1)
    server.engine(Echo(), "tcp://:7000")
    client = simulation.host("client")

    assert [client.program(ask, b"%d" % n).result() for n in range(5)] == [b"%d" % n for n in range(5)]


def test_a_crash_ends_coroutines_in_silence(
    simulation: Simulation, server: Host, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Echo()
    server.engine(handler, "tcp://:7000")
    simulation.host("client").program(stay)
    simulation.run(until=1)
    with caplog.at_level(logging.WARNING):
        server.crash()
        simulation.run(until=100)
        assert handler.ended == []
        server.restart()

    assert simulation.host("client").program(ask).result() == b"hello"
    simulation.run(until=lambda: len(handler.ended) == 1)
    assert caplog.text == ""
