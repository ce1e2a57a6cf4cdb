"""A handler with a worker pool in a simulated world, and what a job must not do."""

from __future__ import annotations

import threading
import time

import pytest

from netcore import Action, Conn, EventHandler
from netcore.testing import Simulation, SimulationError
from netcore.worker import WorkerPool


class Upper(EventHandler):
    """Has a pool make an answer of each message."""

    def __init__(self, workers: int = 2) -> None:
        self.workers = workers
        self.order: list[bytes] = []
        self.threads: set[int] = set()

    def on_boot(self, engine: object) -> Action | None:
        self.pool = WorkerPool(self.workers)
        return None

    def on_traffic(self, conn: Conn) -> Action | None:
        for word in conn.read().split():
            self.pool.run_for(conn, self.work, word, then=self.answer)
        return None

    def work(self, word: bytes) -> bytes:
        self.threads.add(threading.get_ident())
        self.order.append(word)
        return word.upper() + b" "

    def answer(self, conn: Conn, result: bytes | None, error: Exception | None) -> None:
        if not conn.closed:
            conn.write(result or b"? ")


class Asking(EventHandler):
    def __init__(self, text: bytes) -> None:
        self.text = text
        self.received = b""

    def on_open(self, conn: Conn) -> Action | None:
        conn.write(self.text)
        return None

    def on_traffic(self, conn: Conn) -> Action | None:
        self.received += conn.read()
        return None


def world(seed: int, handler: Upper, clients: int = 3) -> tuple[Simulation, list[Asking]]:
    simulation = Simulation(seed)
    simulation.host("server").engine(handler, "tcp://:7000")
    asking = [Asking(f"a{i} b{i} c{i}".encode()) for i in range(clients)]
    for i, each in enumerate(asking):
        simulation.host(f"client{i}").dial("tcp://server:7000", handler=each)
    simulation.run(until=lambda: all(len(each.received) == 9 for each in asking))
    return simulation, asking


def test_jobs_of_a_connection_run_in_order_and_on_this_thread() -> None:
    handler = Upper()
    simulation, asking = world(0, handler)

    assert [each.received for each in asking] == [b"A0 B0 C0 ", b"A1 B1 C1 ", b"A2 B2 C2 "]
    assert handler.threads == {threading.get_ident()}
    assert handler.pool.unfinished == 0
    assert simulation.now > 0.003


def test_the_seed_picks_the_order_of_jobs_of_several() -> None:
    orders = set()
    for seed in range(8):
        handler = Upper()
        world(seed, handler)
        orders.add(tuple(handler.order))
        again = Upper()
        world(seed, again)
        assert again.order == handler.order

    assert len(orders) > 4


def test_a_result_is_waited_for_outside_of_events() -> None:
    simulation = Simulation()
    with simulation.host("server"):
        pool = WorkerPool(1)
        future = pool.submit(lambda: 6 * 7)
        assert not future.done()
        assert future.result() == 42
        pool.shutdown()
    assert simulation.now > 0


def test_what_a_job_raises_is_its_result() -> None:
    simulation = Simulation()
    with simulation.host("server"):
        future = WorkerPool(1).submit(int, "x")
        with pytest.raises(ValueError, match="invalid literal"):
            future.result()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda: time.sleep(1), r"time\.sleep\(1\)"),
        (lambda: threading.Thread(target=print).start(), "starting a thread"),
        (lambda: threading.Event().wait(1), "waiting for another thread"),
    ],
)
def test_what_blocks_in_a_job_names_its_line(what: object, message: str) -> None:
    simulation = Simulation()
    with simulation.host("server"):
        WorkerPool(1).submit(what)  # type: ignore[arg-type]

    with pytest.raises(
        SimulationError, match=rf"{message}.* on host 'server': .*test_jobs_of_handlers\.py:\d+"
    ):
        simulation.run(until=1.0)


def test_a_crash_takes_the_jobs_with_it() -> None:
    done: list[int] = []
    simulation = Simulation()
    server = simulation.host("server")
    with server:
        pool = WorkerPool(1)
        for number in range(10):
            pool.submit(done.append, number)
    simulation.run(until=lambda: len(done) == 3)
    server.crash()
    simulation.run(until=10.0)

    assert done == [0, 1, 2]
