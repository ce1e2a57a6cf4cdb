"""Worker pools on simulated hosts."""

from __future__ import annotations

import socket

import pytest

from netcore import Action, Conn, EventHandler
from netcore.testing.simulation import Simulation, SimulationError
from netcore.worker import WorkerPool


def test_jobs_run_side_by_side_and_all_of_them() -> None:
    order = []
    simulation = Simulation(2)
    with simulation.host("a"):
        pool = WorkerPool(max_workers=3)
        futures = [pool.submit(order.append, number) for number in range(20)]
        for future in futures:
            future.result()

    assert sorted(order) == list(range(20)) != order
    assert [event.detail for event in simulation.trace.events("job")][-1] == "job 20 of netcore-worker"
    assert 0.01 < simulation.now < 0.07  # twenty of 5 ms each, three at a time


def test_one_worker_keeps_their_order() -> None:
    order: list[int] = []
    simulation = Simulation(2)
    with simulation.host("a"):
        pool = WorkerPool(max_workers=1)
        for number in range(20):
            pool.submit(order.append, number)
        pool.close()

    assert order == list(range(20))


def test_a_crash_ends_jobs_and_a_restart_does_not_bring_them_back() -> None:
    done: list[str] = []

    class Working(EventHandler):
        def on_boot(self, engine: object) -> None:
            self.pool = WorkerPool(max_workers=1)

        def on_traffic(self, conn: Conn) -> Action | None:
            for word in conn.read().decode().split():
                self.pool.submit(done.append, word)
            return None

    simulation = Simulation()
    host = simulation.host("a")
    host.engine(Working(), "tcp://:7000")
    conn = simulation.host("b").dial("tcp://a:7000").result()
    conn.async_write(b"one two three four")
    simulation.run(until=lambda: len(done) == 2)
    host.crash()
    host.restart(Working())
    simulation.run(until=simulation.now + 1.0)

    assert done == ["one", "two"]


def test_a_job_that_waits_for_a_socket_is_an_error_that_names_the_call_and_its_line() -> None:
    def ask() -> None:
        with socket.create_connection(("server", 7000), timeout=5):
            """Never gets here."""

    simulation = Simulation()
    simulation.host("server").engine(EventHandler(), "tcp://:7000")
    with simulation.host("client"):
        WorkerPool().submit(ask)
        where = r"on host 'client': .*test_jobs\.py:\d+ in ask"
        with pytest.raises(SimulationError, match=rf"connect\(\) of .* blocks, which in .* job .* {where}"):
            simulation.run(until=1.0)


def test_a_pool_from_outside_of_the_world_is_an_error_that_names_who_uses_it() -> None:
    class Asking(EventHandler):
        def on_open(self, conn: Conn) -> Action | None:
            pool.run_for(conn, int, "1", then=lambda conn, result, error: None)
            return None

    simulation = Simulation()
    with WorkerPool() as pool:
        simulation.host("server").engine(Asking(), "tcp://:7000")
        simulation.host("client").dial("tcp://server:7000")
        with pytest.raises(SimulationError, match=r"a thread .* 'server': .*test_jobs\.py:\d+ in on_open"):
            simulation.run(until=1.0)
