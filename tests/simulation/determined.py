"""A program that does much of what can be done in a simulated world, and prints the digest of its trace."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from typing import Any

from netcore import Action, Conn, EventHandler
from netcore.testing.simulation import Simulation
from netcore.worker import WorkerPool

GROUP = "udp://239.1.2.3:7004"


class Server(EventHandler):
    """Echoes what it gets, some of it by a worker; keeps who is there in a set, as programs do."""

    def on_boot(self, engine: Any) -> None:
        self.pool = WorkerPool(max_workers=3)
        self.present: set[str] = set()

    def on_open(self, conn: Conn) -> Action | None:
        self.present.add(str(conn.remote_address))
        return None

    def on_traffic(self, conn: Conn) -> Action | None:
        data = conn.read()
        if conn.network == "udp" or len(data) % 3:
            conn.write(data)
        else:
            self.pool.run_for(conn, hashlib.sha256, data, then=self.answer)
        return None

    def answer(self, conn: Conn, result: Any, error: Exception | None) -> None:
        if not conn.closed:
            conn.write(result.digest())

    def on_close(self, conn: Conn, error: Exception | None) -> Action | None:
        self.present.discard(str(conn.remote_address))
        return None


class Shifting(Server):
    """Closes a listener for KCP from time to time, so that its sessions part with it, and opens it anew."""

    address = "kcp://:7003"

    def on_boot(self, engine: Any) -> None:
        super().on_boot(engine)
        engine.loops[0].schedule(0.6, self.close, engine)

    def close(self, engine: Any) -> None:
        engine.stop_listening(self.address)
        engine.loops[0].schedule(0.2, self.open, engine)

    def open(self, engine: Any) -> None:
        engine.listen(self.address)
        engine.loops[0].schedule(0.6, self.close, engine)


class Client(EventHandler):
    """Sends on and on, and dials again when a connection has ended."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    def on_boot(self, engine: Any) -> None:
        for number, address in enumerate(self.addresses):
            self.dial(engine.loops[number % len(engine.loops)], address)

    def dial(self, loop: Any, address: str) -> None:
        future = loop.dial(address, context=address, timeout=2.0)
        future.add_done_callback(
            lambda done: done.exception() and loop.schedule(0.5, self.dial, loop, address)
        )

    def on_open(self, conn: Conn) -> Action | None:
        self.say(conn)
        return None

    def say(self, conn: Conn) -> None:
        if not conn.closed:
            conn.write(b"x" * (conn.bytes_sent % 5000 + 1))

    def on_traffic(self, conn: Conn) -> Action | None:
        conn.read()
        conn.loop.schedule(0.05, self.say, conn)
        return None

    def on_close(self, conn: Conn, error: Exception | None) -> Action | None:
        if conn.network != "udp":
            conn.loop.schedule(0.2, self.dial, conn.loop, conn.context)
        return None


async def program() -> None:
    """Has several connections at once, in sets of tasks."""

    async def ask(size: int) -> int:
        reader, writer = await asyncio.open_connection("server", 7000)
        try:
            writer.write(b"y" * size)
            return len(await reader.read(size))
        finally:
            writer.close()

    while True:
        tasks = {asyncio.ensure_future(ask(size)) for size in (1, 2, 4, 5, 100_000)}
        done, pending = await asyncio.wait(tasks, timeout=0.5)
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending)
        for task in done:
            task.exception()
        await asyncio.gather(ask(3), asyncio.wait_for(ask(6), 1.0), return_exceptions=True)
        await asyncio.sleep(0.1)


def run(seed: int = 1, duration: float = 5.0) -> Simulation:
    """Runs the program under a seed, up to some virtual time."""
    with Simulation(seed) as simulation:
        server, client, other = (simulation.host(name) for name in ("server", "client", "other"))
        simulation.link("server", "client", latency=lambda source: source.uniform(0.001, 0.02), loss=0.02)
        simulation.link("server", "other", latency=0.005, bandwidth=1_000_000, reorder=0.1, duplicate=0.1)
        server.engine(Server(), "tcp://:7000", "udp://:7001", num_event_loops=3, idle_timeout=1.0)
        here = Client("tcp://server:7000", "udp://server:7001", "tcp://server:7000")
        client.client(here, num_event_loops=2)
        server.engine(Shifting(), "tcp://:7002", Shifting.address, num_event_loops=2, reuse_port=True)
        client.client(Client(*["tcp://server:7002", "kcp://server:7003"] * 2))
        server.engine(Server(), GROUP, multicast_interface=2)
        client.client(Client(GROUP))
        other.engine(Server(), "unix:///run/echo", "unix://@echo", tcp_keep_alive=1, socket_recv_buffer=4096)
        other.client(Client("tcp://server:7000", "udp://server:7001", "unix:///run/echo", "unix://@echo"))
        other.program(program)
        simulation.chaos(duration, most=6)
        simulation.run(until=duration)
    return simulation


if __name__ == "__main__":
    made = run(*map(int, sys.argv[1:]))
    print(made.trace.count, made.trace.digest())
