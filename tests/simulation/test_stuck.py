"""What is said of a world that does not go on: who waits for what."""

from __future__ import annotations

import asyncio
import functools
import re
import socket
from collections.abc import Callable

import pytest

from netcore import Action, Conn, EventHandler
from netcore.testing.simulation import Crash, Schedule, Simulation, SimulationStuck
from netcore.testing.simulation.waiting import place_of, task_waits
from netcore.worker import WorkerPool


class Quiet(EventHandler):
    """Never answers."""


class Flooding(EventHandler):
    def on_open(self, conn: Conn) -> Action | None:
        conn.write(bytes(1_000_000))
        return None


class Deaf(EventHandler):
    def on_open(self, conn: Conn) -> Action | None:
        conn.pause_reading()
        return None


class Lazy(EventHandler):
    """Leaves what comes unread."""


def never() -> bool:
    return False


def stuck(simulation: Simulation, limit: float = 10.0, until: Callable[[], bool] = never) -> str:
    with pytest.raises(SimulationStuck) as caught:
        simulation.run(until, limit=limit)
    return str(caught.value)


def world(server: EventHandler, client: EventHandler) -> Simulation:
    simulation = Simulation(4)
    simulation.host("server").engine(server, "tcp://:7000")
    simulation.host("client").client(client).dial("tcp://server:7000")
    return simulation


def test_the_condition_the_time_and_the_seed_are_named() -> None:
    simulation = Simulation("some seed")
    simulation.call_at(20.0, never)
    first = stuck(simulation).splitlines()[0]
    line = never.__code__.co_firstlineno

    assert first == (
        f"10 virtual seconds were not enough for never (test_stuck.py:{line}), "
        "at 10.000000 virtual seconds (seed 'some seed')"
    )


def test_a_world_in_which_nothing_is_left_to_happen_is_told_from_one_that_is_slow() -> None:
    assert stuck(Simulation()).startswith("nothing is left to happen for never (test_stuck.py:")


def test_a_peer_that_does_not_read() -> None:
    message = stuck(world(Deaf(), Flooding()))

    client = message.partition("host client:")[2]
    assert re.search(
        r"connection #1 with tcp://10\.0\.0\.1:7000: \d+ bytes wait for the kernel; "
        r"client:49152 > server:7000: \d+ bytes are not acknowledged, "
        r"of which \d+ wait for room in the window of the peer, who does not read",
        client,
    )
    server = message.partition("host server:")[2].partition("host client:")[0]
    assert re.search(
        r"connection #1 with tcp://10\.0\.0\.2:49152: reading is paused; "
        r"server:7000 > client:49152: \d+ bytes are not received yet",
        server,
    )


class Swallowing(EventHandler):
    def on_traffic(self, conn: Conn) -> None:
        conn.discard()


def test_a_peer_that_does_not_answer() -> None:
    simulation = world(Swallowing(), Quiet())
    text = stuck(simulation)
    assert re.search(r"connection #\d+ with tcp://\S+:7000: it waits for its peer$", text, re.MULTILINE)
    assert "with 1 connection\n" in text


def test_a_handler_that_leaves_bytes_unread() -> None:
    class Greeting(EventHandler):
        def on_open(self, conn: Conn) -> Action | None:
            conn.write(b"hello")
            return None

    message = stuck(world(Lazy(), Greeting()))
    assert "connection #1 with tcp://10.0.0.2:49152: 5 bytes were left unread by its handler" in message


def test_a_partition_and_a_crash() -> None:
    class Greeting(EventHandler):
        conn: Conn

        def on_open(self, conn: Conn) -> Action | None:
            self.conn = conn
            return None

    greeting = Greeting()
    simulation = world(Quiet(), greeting)
    simulation.partition("client", "server", one_way=True)
    greeting.conn.async_write(b"hello")
    message = stuck(simulation)

    assert "5 bytes are not acknowledged, what was lost goes again at " in message
    assert "; cut: client > server" in message
    assert "\ncut: client > server\n" in message
    assert re.search(
        r"\nnext:\n  \d+\.\d+ s: Sender\._timed_out \(sending\.py:\d+\) of client:49152 > server:7000\n",
        message,
    )

    simulation.host("server").crash()
    message = stuck(simulation)
    assert "; cut: client > server; server has crashed" in message
    assert "host server, which has crashed:\nhost client:" in message


def test_a_dial_that_nobody_answers() -> None:
    simulation = Simulation()
    simulation.host("server").crash()
    simulation.host("client").client(Quiet()).engine.dial("tcp://server:7000")
    message = stuck(simulation)

    assert "    dial of tcp://server:7000 is under way\n" in message
    assert re.search(
        r"socket \d+: client:49152 > server:7000: no answer to SYN number 4, the next goes at 15\.\d+ s; "
        "server has crashed",
        message,
    )


def test_timers_and_what_is_planned() -> None:
    class Retrying(EventHandler):
        def on_open(self, conn: Conn) -> Action | None:
            conn.loop.schedule(60.0, self.retry)
            conn.loop.schedule(70.0, functools.partial(self.retry))
            return None

        def retry(self) -> None:
            raise AssertionError

    simulation = world(Quiet(), Retrying())
    Schedule(Crash(500.0, "server")).apply(simulation)
    message = stuck(simulation)

    where = r"Retrying\.retry \(test_stuck\.py:\d+\)"
    assert re.search(rf"timer at 60\.\d+ s: {where}\n +timer at 70\.\d+ s: {where}\n", message)
    assert re.search(
        r"next:\n  60\.\d+ s: Actor\._act \(actors\.py:\d+\) of loop 0 of host client\n", message
    )
    assert re.search(r"500\.\d+ s: Course\.begin \(schedule\.py:\d+\) Crash\(500\.0, 'server'\)\n", message)


def test_connections_that_wait_to_be_accepted_and_jobs() -> None:
    simulation = Simulation()
    with simulation.host("server"):
        listener = socket.create_server(("", 7000))
        pool = WorkerPool(max_workers=1)
    simulation.host("client").client(Quiet()).dial("tcp://server:7000")
    with simulation.host("server"):
        for _ in range(3):
            pool.submit(never)
    message = stuck(simulation, limit=0.002)

    assert re.search(r"\n  socket \d+: connections to be accepted: 1\n", message)
    assert "\n  netcore-worker: jobs that wait: 2, that are about to run: 1\n" in message
    with simulation.host("server"):
        listener.close()


def test_of_many_the_first_are_shown() -> None:
    simulation = Simulation()
    simulation.host("server").crash()
    engine = simulation.host("client").client(Quiet()).engine
    for _ in range(25):
        engine.dial("tcp://server:7000")
    message = stuck(simulation)

    assert message.count("dial of tcp://server:7000 is under way") == 10
    assert "\n    ... and 15 more dials\n" in message
    assert re.search(r"\n  \.\.\. and \d+ more sockets\n", message)


def test_a_world_with_nothing_left_to_happen() -> None:
    simulation = Simulation()
    with (
        simulation.host("a"),
        socket.create_server(("", 7000)) as listener,
        pytest.raises(SimulationStuck) as caught,
    ):
        listener.accept()

    message = str(caught.value)
    where = (
        r"nothing is left to happen for \S+test_stuck\.py:\d+ in test_a_world_with_nothing_left_to_happen, "
    )
    assert re.search(where + r"at 0\.000000 virtual seconds \(seed 0\)\nhost a:\n", message)
    assert "\nnext: nothing is planned\n" in message


def test_functions_are_named_as_programs_know_them() -> None:
    class Callable_:
        def __call__(self) -> None:
            pass

        def method(self) -> None:
            pass

    decorated = functools.wraps(never)(lambda: None)
    line = never.__code__.co_firstlineno
    assert place_of(never) == place_of(decorated) == f"never (test_stuck.py:{line})"
    assert re.fullmatch(r"Callable_\.method \(test_stuck\.py:\d+\)", place_of(Callable_().method))
    assert re.fullmatch(r"<lambda> \(test_stuck\.py:\d+\)", place_of(lambda: None))
    assert place_of(Callable_()) == "Callable_"
    assert place_of(print) == "print"


def test_a_task_waits_in_a_line_of_the_program() -> None:
    async def inner() -> None:
        await asyncio.sleep(3600)

    async def outer() -> None:
        await inner()

    async def main() -> tuple[str, str]:
        task = asyncio.create_task(outer(), name="worker")
        before = task_waits(task)
        await asyncio.sleep(0)
        return before, task_waits(task)

    before, after = asyncio.run(main())
    assert re.fullmatch(r"task worker is to go on in outer \(test_stuck\.py:\d+\)", before)
    line = inner.__code__.co_firstlineno + 1
    assert after == f"task worker waits in inner (test_stuck.py:{line})"


def test_programs_and_their_tasks() -> None:
    async def listen(reader: asyncio.StreamReader) -> None:
        await reader.readexactly(5)

    async def main() -> None:
        reader, _ = await asyncio.open_connection("server", 7000)
        task = asyncio.create_task(listen(reader), name="listener")
        await task

    simulation = Simulation()
    simulation.host("server").engine(Quiet(), "tcp://:7000")
    simulation.host("client").program(main)
    message = stuck(simulation)

    client = message.partition("host client:\n")[2]
    assert client.startswith("  program main: for its sockets\n  task ")
    for function, offset in ((main, 3), (listen, 1)):
        line = function.__code__.co_firstlineno + offset
        assert f" waits in {function.__name__} (test_stuck.py:{line})\n" in client
    assert "task listener waits" in client
