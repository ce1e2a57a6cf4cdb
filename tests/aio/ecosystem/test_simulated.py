"""Libraries of others in a simulated world: unchanged, in virtual time, and the same for the same seed."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from needed import library

from netcore.testing.simulation import Program, Simulation

aiohttp = library("aiohttp")
web = library("aiohttp.web")
redis = library("redis.asyncio")
retry = library("redis.asyncio.retry")
backoff = library("redis.backoff")
exceptions = library("redis.exceptions")
library("hiredis")  # of the example


async def serve_http() -> None:
    """Answers after an hour, in virtual time."""

    async def hello(request: Any) -> Any:
        await asyncio.sleep(3600)
        return web.json_response({"hello": request.match_info["name"]})

    async def talk(request: Any) -> Any:
        socket = web.WebSocketResponse(heartbeat=60)
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data[::-1])
        return socket

    application = web.Application()
    application.add_routes([web.get("/hello/{name}", hello), web.get("/talk", talk)])
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "0.0.0.0", 8080).start()
        await asyncio.get_running_loop().create_future()
    finally:
        await runner.cleanup()


async def ask_http() -> list[str]:
    async with aiohttp.ClientSession(
        "http://server:8080", timeout=aiohttp.ClientTimeout(2 * 3600)
    ) as session:

        async def ask(name: str) -> str:
            async with session.get(f"/hello/{name}") as response:
                hello: str = (await response.json())["hello"]
                return hello

        return await asyncio.gather(*(ask(f"number-{number}") for number in range(20)))


def http_world(seed: int) -> tuple[Simulation, Program[list[str]]]:
    simulation = Simulation(seed)
    simulation.host("server").program(serve_http)
    simulation.run(until=1)
    return simulation, simulation.host("client").program(ask_http)


def test_aiohttp_serves_and_asks() -> None:
    digests = []
    for seed in (1, 1, 2):
        simulation, asking = http_world(seed)
        assert asking.result() == [f"number-{number}" for number in range(20)]
        assert 3601 < simulation.now < 3602
        digests.append(simulation.trace.digest())

    assert digests[0] == digests[1] != digests[2]


def test_aiohttp_sees_a_server_that_crashes() -> None:
    simulation, asking = http_world(3)
    simulation.call_at(1800, simulation.host("server").crash)

    with pytest.raises(asyncio.TimeoutError):
        asking.result()
    assert 7200 < simulation.now < 7210


def test_a_websocket_of_aiohttp_finds_out_that_nobody_is_there() -> None:
    simulation, _ = http_world(4)

    async def talk() -> tuple[str, float]:
        url = "http://server:8080/talk"
        async with aiohttp.ClientSession() as session, session.ws_connect(url, heartbeat=10) as socket:
            await socket.send_str("hello")
            answer = await socket.receive_str()
            await asyncio.sleep(300)
            simulation.partition("server", "other")
            before = asyncio.get_running_loop().time()
            message = await socket.receive()
            assert message.type in (aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSED)
            return answer, asyncio.get_running_loop().time() - before

    answer, passed = simulation.host("other").program(talk).result()

    assert answer == "olleh"
    assert passed < 20


def redis_world(seed: int) -> Simulation:
    from examples.redis import Redis

    simulation = Simulation(seed)
    simulation.host("server").engine(Redis(), "tcp://:6379", num_event_loops=2)
    return simulation


def client_of(host: str = "server", **options: Any) -> Any:
    return redis.Redis(host=host, decode_responses=True, **options)


def test_redis_asyncio_talks_to_the_example() -> None:
    async def talk() -> list[object]:
        async with client_of() as client:

            async def count(task: int) -> None:
                for number in range(10):
                    await client.set(f"{task}:{number}", number, ex=60)
                    await client.incr("count")

            await asyncio.gather(*(count(task) for task in range(10)))
            before = await client.dbsize()
            await asyncio.sleep(61)
            return [before, await client.get("count"), await client.get("1:1")]

    digests = []
    for seed in (1, 1):
        simulation = redis_world(seed)
        assert simulation.host("client").program(talk).result() == [101, "100", None]
        digests.append(simulation.trace.digest())

    assert digests[0] == digests[1]


@pytest.mark.parametrize("seed", range(5))
def test_redis_asyncio_survives_crashes_and_partitions(seed: int) -> None:
    async def work(name: str) -> int:
        """Adds to a set, as often as it takes: whatever was answered is in it."""
        options = {"socket_timeout": 1, "socket_connect_timeout": 1, "retry_on_error": [ConnectionError]}
        answered = 0
        async with client_of(retry=retry.Retry(backoff.NoBackoff(), 0), **options) as client:
            for number in range(30):
                try:
                    await client.sadd("seen", f"{name}:{number}")
                except (exceptions.ConnectionError, exceptions.TimeoutError, OSError):
                    await asyncio.sleep(0.5)
                else:
                    answered += 1
                await asyncio.sleep(0.2)
        return answered

    simulation = redis_world(seed)
    simulation.link("server", simulation.host("client"), latency=lambda source: source.uniform(0.001, 0.1))
    workers = [simulation.host("client").program(work, name) for name in "abc"]
    simulation.call_at(1, simulation.partition, "server", "client", simulation.random.random() < 0.5)
    simulation.call_at(4, simulation.heal, "server", "client")
    simulation.call_at(6, simulation.host("server").crash)
    simulation.call_at(8, simulation.host("server").restart)
    answered = sum(worker.result() for worker in workers)

    async def count() -> int:
        async with client_of() as client:
            seen: int = await client.scard("seen")
            return seen

    seen = simulation.host("client").program(count).result()
    assert 0 < answered <= seen <= 90  # what was not answered may have been done all the same
    assert answered < 90


def run_lease(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the example in a process of its own: what its workers leave at a crash warns when it is freed."""
    command = [sys.executable, "examples/simulated_lease.py", *arguments]
    root = Path(__file__).resolve().parents[3]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=100)


def test_nobody_but_one_has_the_lease() -> None:
    runs = [run_lease("--seed", "7") for _ in range(2)]
    (first, *told), (second, *again) = (re.split(r"300 s in \S+ s, ", run.stdout) for run in runs)
    assert first.count("has the lease") > 5
    assert (first, told) == (second, again)
    assert re.fullmatch(r"\d+ events, \w{32}\n", *told)
    assert [run.returncode for run in runs] == [0, 0]


def test_wrong_clocks_are_found_out() -> None:
    found = run_lease("--seed", "7", "--clocks")
    assert found.returncode == 1
    assert re.search(r"at_most_one does not hold.*have the lease\nlast events:\n", found.stderr)
