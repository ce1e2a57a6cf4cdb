"""redis.asyncio on the loop of netcore, against a real redis-server: by TCP and by a Unix socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from needed import library
from servers import redis_server

redis = library("redis.asyncio")
exceptions = library("redis.exceptions")

OnLoop = Callable[[Awaitable[None]], None]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where a server is."""
    with redis_server(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture(params=["tcp", "unix"])
def url(request: pytest.FixtureRequest, server: dict[str, str]) -> str:
    """Where a client is to go."""
    return server["REDIS_URL"] if request.param == "tcp" else f"unix://{server['REDIS_SOCKET']}"


def client_of(url: str, **options: object) -> Any:
    return redis.from_url(url, decode_responses=True, **options)


def test_commands_of_many_tasks(on_loop: OnLoop, url: str) -> None:
    async def talk() -> None:
        async with client_of(url, max_connections=50) as client:
            await client.flushall()

            async def count(task: int) -> None:
                for number in range(20):
                    await client.set(f"{task}:{number}", "x" * number)
                    assert await client.get(f"{task}:{number}") == "x" * number
                    await client.incr("count")

            await asyncio.gather(*(count(task) for task in range(40)))
            assert await client.get("count") == "800"
            assert await client.dbsize() == 801

    on_loop(talk())


def test_values_of_several_megabytes(on_loop: OnLoop, url: str) -> None:
    async def talk() -> None:
        async with client_of(url) as client:
            value = "0123456789" * 1_000_000
            await client.set("large", value)
            assert await client.get("large") == value

    on_loop(talk())


def test_pipelines_and_transactions(on_loop: OnLoop, url: str) -> None:
    async def talk() -> None:
        async with client_of(url) as client:
            await client.flushall()
            async with client.pipeline(transaction=False) as pipeline:
                for number in range(5000):
                    pipeline.rpush("list", number)
                assert await pipeline.execute() == list(range(1, 5001))
            assert await client.lrange("list", 0, -1) == [str(number) for number in range(5000)]
            async with client.pipeline(transaction=True) as first:
                await first.watch("count")
                first.multi()
                first.set("count", 1)
                await client.set("count", 7)
                with pytest.raises(exceptions.WatchError):
                    await first.execute()
            assert await client.get("count") == "7"

    on_loop(talk())


def test_publishing_and_subscribing(on_loop: OnLoop, url: str) -> None:
    async def talk() -> None:
        async with client_of(url) as client:

            async def listen(ready: asyncio.Event, number: int) -> list[str]:
                async with client.pubsub() as channel:
                    await channel.subscribe("news")
                    heard: list[str] = []
                    async for message in channel.listen():
                        if message["type"] == "subscribe":
                            ready.set()
                        else:
                            heard.append(message["data"])
                            if message["data"] == "end":
                                return heard
                raise AssertionError("the channel has ended")

            ready = [asyncio.Event() for _ in range(10)]
            listeners = [asyncio.create_task(listen(event, n)) for n, event in enumerate(ready)]
            for event in ready:
                await event.wait()
            for number in range(200):
                assert await client.publish("news", str(number)) == 10
            await client.publish("news", "end")
            expected = [*(str(number) for number in range(200)), "end"]
            assert await asyncio.gather(*listeners) == [expected] * 10

    on_loop(talk())


def test_a_command_that_blocks_and_is_cancelled(on_loop: OnLoop, url: str) -> None:
    async def talk() -> None:
        async with client_of(url) as client:
            await client.flushall()
            waiting = asyncio.create_task(client.blpop(["queue"], timeout=0))
            while (await client.info("clients"))["blocked_clients"] == 0:
                pass
            await client.rpush("queue", "something")
            assert await waiting in (("queue", "something"), ["queue", "something"])
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.blpop(["queue"], timeout=0), 0.05)
            assert await client.ping()

    on_loop(talk())
