"""The library websockets, both sides on the loop of netcore: plain and by TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from needed import library

library("websockets")
from websockets.asyncio.client import ClientConnection, connect  # noqa: E402
from websockets.asyncio.server import ServerConnection, broadcast, serve  # noqa: E402
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK  # noqa: E402

OnLoop = Callable[[Awaitable[None]], None]


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def port_of(server: Any) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


def test_messages_of_all_sizes_and_kinds(on_loop: OnLoop) -> None:
    async def talk() -> None:
        async with (
            serve(echo, "127.0.0.1", 0, max_size=None) as server,
            connect(f"ws://127.0.0.1:{port_of(server)}", max_size=None) as client,
        ):
            for size in (0, 1, 125, 126, 65_535, 65_536, 3_000_000):
                for message in (b"b" * size, "t" * size):
                    await client.send(message)
                    assert await client.recv() == message
            await client.send(part for part in ("in ", "three ", "fragments"))
            assert await client.recv() == "in three fragments"

    on_loop(talk())


def test_by_tls(on_loop: OnLoop, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def talk() -> None:
        async with (
            serve(echo, "127.0.0.1", 0, ssl=contexts[0]) as server,
            connect(f"wss://127.0.0.1:{port_of(server)}", ssl=contexts[1]) as client,
        ):
            for size in (1, 20_000, 900_000):
                await client.send(b"s" * size)
                assert await client.recv() == b"s" * size

    on_loop(talk())


def test_many_clients_and_a_broadcast(on_loop: OnLoop) -> None:
    async def talk() -> None:
        everybody: set[ServerConnection] = set()
        all_there = asyncio.Event()

        async def join(connection: ServerConnection) -> None:
            everybody.add(connection)
            if len(everybody) == 100:
                all_there.set()
            await connection.wait_closed()
            everybody.remove(connection)

        async with serve(join, "127.0.0.1", 0) as server:
            address = f"ws://127.0.0.1:{port_of(server)}"
            clients = await asyncio.gather(*(connect(address) for _ in range(100)))
            await all_there.wait()
            for number in range(20):
                broadcast(everybody, str(number))
            for client in clients:
                assert [await client.recv() for _ in range(20)] == [str(number) for number in range(20)]
            await asyncio.gather(*(client.close() for client in clients))
        assert everybody == set()

    on_loop(talk())


def test_a_slow_reader_holds_its_sender_up(on_loop: OnLoop) -> None:
    async def talk() -> None:
        sent = 0

        async def flood(connection: ServerConnection) -> None:
            nonlocal sent
            for _ in range(400):
                await connection.send(b"x" * 100_000)
                sent += 1

        async with (
            serve(flood, "127.0.0.1", 0) as server,
            connect(f"ws://127.0.0.1:{port_of(server)}", max_queue=2, compression=None) as client,
        ):
            stalled = -1
            while stalled != sent:  # nothing is read: the sender has to come to rest
                stalled = sent
                await asyncio.sleep(0.2)
            assert 0 < sent < 400
            assert [len(message) async for message in client] == [100_000] * 400

    on_loop(talk())


def test_the_ends_of_a_connection(on_loop: OnLoop) -> None:
    async def talk() -> None:
        ends: asyncio.Queue[BaseException] = asyncio.Queue()

        async def listen(connection: ServerConnection) -> None:
            try:
                while True:
                    await connection.recv()
            except (ConnectionClosedOK, ConnectionClosedError) as error:
                ends.put_nowait(error)

        async with serve(listen, "127.0.0.1", 0) as server:
            address = f"ws://127.0.0.1:{port_of(server)}"
            client: ClientConnection = await connect(address)
            await client.close(4000, "enough")
            end = await ends.get()
            assert isinstance(end, ConnectionClosedError) and end.rcvd is not None
            assert (end.rcvd.code, end.rcvd.reason) == (4000, "enough")
            client = await connect(address)
            client.transport.abort()
            end = await ends.get()
            assert isinstance(end, ConnectionClosedError) and end.rcvd is None
            await client.wait_closed()
            client = await connect(address)
            server.close()
            with pytest.raises(ConnectionClosedOK):
                await client.recv()

    on_loop(talk())


def test_pings_keep_a_connection_alive(on_loop: OnLoop) -> None:
    async def talk() -> None:
        async with (
            serve(echo, "127.0.0.1", 0, ping_interval=0.01) as server,
            connect(f"ws://127.0.0.1:{port_of(server)}", ping_interval=0.01) as client,
        ):
            for _ in range(20):
                latency = await (await client.ping())
                assert latency >= 0
            await client.send("still here")
            assert await client.recv() == "still here"

    on_loop(talk())
