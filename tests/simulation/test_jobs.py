"""Worker pools on simulated hosts."""

from __future__ import annotations

from netcore import Action, Conn, EventHandler
from netcore.testing.simulation import Simulation
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
