"""The same seed gives the same world, whatever differs around it."""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from netcore import Action, Conn, EventHandler
from netcore._platforms import PLATFORMS
from netcore.testing.simulation import Simulation

PROGRAM = Path(__file__).with_name("determined.py")
ELSEWHERE = Path(__file__).with_name("elsewhere.py")

DIGEST = "5831 0ee46aa75f8f223abf18388c78bf673e"
"""How many events there are, and their digest, on every Python and platform.

Both change with what happens in a simulated world, such as the time that a segment takes; then
write down the new ones, once they are the same with every Python."""


@pytest.fixture(scope="module")
def determined() -> ModuleType:
    spec = importlib.util.spec_from_file_location("determined", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def digest(determined: ModuleType) -> str:
    """Of a run in this process, of which nothing else is known."""
    return digest_of(determined.run().trace)


def digest_of(trace: object) -> str:
    return f"{trace.count} {trace.digest()}"  # type: ignore[attr-defined]


def test_it_is_the_one_that_is_written_down(digest: str) -> None:
    assert digest == DIGEST


def test_another_seed_gives_another_one(determined: ModuleType, digest: str) -> None:
    assert digest_of(determined.run(2).trace) != digest


def printed(*command: str | Path, **environment: str) -> str:
    """What Python prints that runs a program in a process of its own."""
    environment = {**os.environ, **environment}
    done = subprocess.run(
        [sys.executable, *command],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=100,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("hash_seed", ["0", "1", "4711"])
def test_the_order_of_sets_does_not_show(hash_seed: str) -> None:
    assert printed(PROGRAM, PYTHONHASHSEED=hash_seed) == DIGEST


@pytest.mark.once
@pytest.mark.posix
@pytest.mark.parametrize("system", [*(row.system for row in PLATFORMS), "unknown"])
def test_the_platform_does_not_show(system: str) -> None:
    assert printed(ELSEWHERE, system, PROGRAM) == DIGEST


def test_what_the_collector_does_does_not_show(determined: ModuleType, digest: str) -> None:
    before = gc.get_threshold() if hasattr(gc, "get_threshold") else None
    gc.disable()
    try:
        assert digest_of(determined.run().trace) == digest
    finally:
        gc.enable()
    if before is not None and hasattr(gc, "freeze"):
        gc.freeze()  # what there is already, which would be looked at each time
        gc.set_threshold(50, 5, 5)
        try:
            assert digest_of(determined.run().trace) == digest
        finally:
            gc.set_threshold(*before)
            gc.unfreeze()


@pytest.fixture
def busy_threads() -> Iterator[list[float]]:
    """Threads that use all that a world replaces; gives the times that one of them has seen."""
    seen: list[float] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            one, other = socket.socketpair()
            with one, other:
                one.sendall(os.urandom(8))
                other.recv(8)
            random.random()
            seen.append(time.monotonic())
            time.sleep(0.0001)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    yield seen
    stop.set()
    for thread in threads:
        thread.join()


def test_other_threads_do_not_show_and_see_the_real_world(
    determined: ModuleType, digest: str, busy_threads: list[float]
) -> None:
    begin = time.monotonic()
    assert digest_of(determined.run().trace) == digest
    during = list(busy_threads)
    assert time.monotonic() >= max(during) >= begin > 0
    assert sorted(during)[0] >= begin - 100


class Failing(EventHandler):
    def on_traffic(self, conn: Conn) -> Action | None:
        raise KeyError("of this kind there is a line a second")


def test_what_was_logged_in_another_world_is_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    logs = []
    for _ in range(2):
        caplog.clear()
        with Simulation(3) as simulation:
            simulation.host("server").engine(Failing(), "tcp://:7000")
            for _ in range(5):
                conn = simulation.host("client").dial("tcp://server:7000").result()
                conn.async_write(b"x")
                simulation.run(until=simulation.now + 0.1)
        logs.append([record.getMessage() for record in caplog.records])

    assert logs[0] == logs[1] != []


def test_the_log_of_the_process_keeps_no_clock_of_a_world() -> None:
    logger = logging.getLogger("netcore")
    vars(logger).pop("complaints", None)
    with Simulation() as simulation, simulation.host("a"):
        from netcore._complaints import complain

        complain(logger, logging.DEBUG, "a kind", "something")

    assert "complaints" not in vars(logger)


def test_much_memory_that_is_let_go_of_starts_no_thread() -> None:
    class Deaf(EventHandler):
        def on_open(self, conn: Conn) -> Action | None:
            conn.pause_reading()
            return None

    class Flooding(EventHandler):
        def on_open(self, conn: Conn) -> Action | None:
            conn.write(bytes(32 << 20))
            return None

    with Simulation() as simulation:
        server = simulation.host("server")
        server.engine(Deaf(), "tcp://:7000")
        simulation.host("client").client(Flooding(), max_outbound=64 << 20).dial("tcp://server:7000")
        simulation.run(until=1.0)
        server.crash()
        server.restart()
        simulation.run(until=200.0)

        assert simulation.trace.events("close", host="client")
