"""asyncpg on the loop of netcore, against a real PostgreSQL."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable, Callable, Iterator

import pytest
from needed import library
from servers import postgresql

asyncpg = library("asyncpg")

OnLoop = Callable[[Awaitable[None]], None]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The arguments of a client."""
    with postgresql(tmp_path_factory.mktemp("pg")) as variables:
        yield {name.removeprefix("PG").lower(): value for name, value in variables.items()}


def test_types_and_prepared_statements(on_loop: OnLoop, database: dict[str, str]) -> None:
    async def talk() -> None:
        connection = await asyncpg.connect(**database)
        try:
            await connection.execute(
                "create temporary table t (a int primary key, b text, c timestamptz, d bytea)"
            )
            now = datetime.datetime.now(datetime.timezone.utc)
            rows = [(number, "ü" * number, now, bytes([number]) * 10_000) for number in range(100)]
            await connection.executemany("insert into t values ($1, $2, $3, $4)", rows)
            assert [tuple(row) for row in await connection.fetch("select * from t order by a")] == rows
            statement = await connection.prepare("select b from t where a = $1")
            for number in range(100):
                assert await statement.fetchval(number) == "ü" * number
            with pytest.raises(asyncpg.UniqueViolationError):
                await connection.execute("insert into t (a) values (1)")
        finally:
            await connection.close()

    on_loop(talk())


def test_a_large_result_by_a_cursor_and_by_copying(on_loop: OnLoop, database: dict[str, str]) -> None:
    async def talk() -> None:
        connection = await asyncpg.connect(**database)
        try:
            async with connection.transaction():
                query = "select n, repeat('x', 1000) from generate_series(1, 20000) n"
                numbers = [row[0] async for row in connection.cursor(query, prefetch=100)]
            assert numbers == list(range(1, 20001))
            await connection.execute("create temporary table u (a int, b text)")
            records = [(number, "y" * 100) for number in range(50_000)]
            await connection.copy_records_to_table("u", records=records)
            copied: list[bytes] = []

            async def take(piece: bytes) -> None:
                copied.append(piece)

            await connection.copy_from_query("select a from u order by a", output=take)
            assert b"".join(copied).split() == [str(number).encode() for number in range(50_000)]
        finally:
            await connection.close()

    on_loop(talk())


def test_a_pool_for_many_tasks(on_loop: OnLoop, database: dict[str, str]) -> None:
    async def talk() -> None:
        async with asyncpg.create_pool(**database, min_size=2, max_size=10) as pool:
            await pool.execute("drop table if exists v; create table v (a int); insert into v values (0)")

            async def add() -> None:
                async with pool.acquire() as connection, connection.transaction():
                    await connection.execute("update v set a = a + 1")

            await asyncio.gather(*(add() for _ in range(200)))
            assert await pool.fetchval("select a from v") == 200

    on_loop(talk())


def test_a_query_that_is_cancelled(on_loop: OnLoop, database: dict[str, str]) -> None:
    async def talk() -> None:
        connection = await asyncpg.connect(**database)
        try:
            with pytest.raises(asyncio.TimeoutError):
                await connection.fetch("select pg_sleep(1000)", timeout=0.1)
            assert await connection.fetchval("select 1") == 1
        finally:
            await connection.close()

    on_loop(talk())


def test_notifications(on_loop: OnLoop, database: dict[str, str]) -> None:
    async def talk() -> None:
        listener, speaker = await asyncpg.connect(**database), await asyncpg.connect(**database)
        try:
            heard: asyncio.Queue[str] = asyncio.Queue()
            await listener.add_listener("news", lambda _c, _pid, _channel, payload: heard.put_nowait(payload))
            for number in range(50):
                await speaker.execute(f"notify news, '{number}'")
            assert [await heard.get() for _ in range(50)] == [str(number) for number in range(50)]
        finally:
            await listener.close()
            await speaker.close()

    on_loop(talk())
