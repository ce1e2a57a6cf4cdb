"""A story of coroutines in which much happens at once, told by its digest; see ``test_coroutines_repeat.py``.

Whatever could be in another order from run to run is in it: sets of tasks, of coroutines and of addresses,
jobs, cancellations, what is garbage.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
import uuid
from typing import Any

from netcore.aio import AsyncHandler, Stream
from netcore.testing.simulation import Simulation


class Upper(AsyncHandler):
    """Answers in capitals, each connection with a task of its own besides."""

    async def serve(self, stream: Stream) -> None:
        ticking = asyncio.create_task(self.tick(stream))
        while data := await stream.read(100):
            stream.write(await asyncio.to_thread(data.upper))
        ticking.cancel()

    async def tick(self, stream: Stream) -> None:
        while True:
            await asyncio.sleep(random.random())
            stream.write(b".")


async def serve(told: list[str]) -> None:
    async def on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            while data := await reader.read(100):
                told.append(f"{time.monotonic()!r} {data!r}")
                writer.write(data)

    listening = await asyncio.start_server(on, port=7001)
    async with listening:
        await listening.serve_forever()


async def call(port: int, name: str) -> None:
    reader, writer = await asyncio.open_connection("server", port)
    with contextlib.closing(writer), contextlib.suppress(ConnectionError):
        for _ in range(random.randrange(1, 5)):
            writer.write(uuid.uuid4().bytes + name.encode())
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(reader.read(100), random.random())


async def work(told: list[str], name: str) -> None:
    async def first() -> None:
        tasks = {asyncio.create_task(call(7000 + number % 2, f"{name}{number}")) for number in range(8)}
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        told.extend(task.get_name() for task in done)
        for task in pending:
            task.cancel()
            told.append(task.get_name())
        circle: list[Any] = [asyncio.create_task(call(7000, "garbage"))]
        circle.append(circle)

    async def second() -> None:
        for each in asyncio.as_completed([call(7000 + number % 2, f"{name}{number}") for number in range(6)]):
            await each
        told.append(" ".join(task.get_name() for task in asyncio.all_tasks()))

    for _ in range(2):
        await first()
        await second()
    for number in range(10):
        asyncio.get_running_loop().call_soon(asyncio.create_task, call(7000, f"last{number}"))


def tell(seed: int) -> str:
    """Returns the digest of the story, and a number for what its programs have seen."""
    simulation, told = Simulation(seed), list[str]()
    server, client = simulation.host("server"), simulation.host("client")
    server.engine(Upper(), "tcp://:7000", num_event_loops=2)
    server.program(serve, told)
    simulation.link(server, client, latency=lambda source: 0.001 * (1 + source.random()), loss=0.01)
    simulation.run(until=1)
    workers = [client.program(work, told, name) for name in ("a", "b")]
    simulation.call_at(2.5, server.crash)
    simulation.call_at(4.5, server.restart)
    for worker in workers:
        with contextlib.suppress(OSError):
            worker.result()
    simulation.run(until=simulation.now + 100)
    return f"{simulation.trace.digest()} {len(told)} {random.Random(repr(told)).random()}"


if __name__ == "__main__":
    print(tell(int(sys.argv[1])))
