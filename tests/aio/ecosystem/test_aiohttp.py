"""aiohttp, its server and its client on the loop of netcore: plain and by TLS."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from needed import library

from netcore.aio import EventLoop

aiohttp = library("aiohttp")
web = library("aiohttp.web")

OnLoop = Callable[[Awaitable[None]], None]


async def which(request: Any) -> Any:
    assert type(asyncio.get_running_loop()) is EventLoop
    return web.json_response({"name": request.match_info["name"], "query": dict(request.query)})


async def digest(request: Any) -> Any:
    found = hashlib.sha256()
    async for chunk in request.content.iter_chunked(10_000):
        found.update(chunk)
    return web.Response(text=found.hexdigest())


async def stream(request: Any) -> Any:
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(1000):
        await response.write(f"{number}\n".encode() * 50)
    await response.write_eof()
    return response


async def talk(request: Any) -> Any:
    socket = web.WebSocketResponse(max_msg_size=0)
    await socket.prepare(request)
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT:
            await socket.send_str(message.data[::-1])
        else:
            await socket.send_bytes(message.data[::-1])
    return socket


async def file(request: Any) -> Any:
    return web.FileResponse(request.app[FILE])


FILE: Any = web.AppKey("file", Path)


@asynccontextmanager
async def serving(path: Path | None = None, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    application = web.Application(client_max_size=1 << 30)
    application[FILE] = path
    routes = [("GET", "/which/{name}", which), ("POST", "/digest", digest), ("GET", "/stream", stream)]
    routes += [("GET", "/talk", talk), ("GET", "/file", file)]
    for method, where, handler in routes:
        application.router.add_route(method, where, handler)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"http{'s' if context else ''}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest) -> tuple[ssl.SSLContext | None, ssl.SSLContext | bool]:
    """The contexts of both sides: a server's, and a client's, for which True is its usual one."""
    if request.param == "plain":
        return None, True
    server, client = request.getfixturevalue("contexts")
    return server, client


Contexts = tuple[ssl.SSLContext | None, ssl.SSLContext | bool]


def session(tls: Contexts) -> Any:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls[1]))


def test_requests_by_the_hundred(on_loop: OnLoop, tls: Contexts) -> None:
    async def ask() -> None:
        async with serving(context=tls[0]) as address, session(tls) as client:

            async def one(number: int) -> None:
                async with client.get(f"{address}/which/{number}", params={"q": "ü"}) as response:
                    assert response.status == 200
                    assert await response.json() == {"name": str(number), "query": {"q": "ü"}}

            await asyncio.gather(*(one(number) for number in range(300)))

    on_loop(ask())


def test_bodies_that_are_streamed(on_loop: OnLoop, tls: Contexts) -> None:
    pieces = [bytes([number % 256]) * 70_000 for number in range(100)]

    async def produce() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def ask() -> None:
        async with serving(context=tls[0]) as address, session(tls) as client:
            async with client.post(f"{address}/digest", data=produce()) as response:
                assert await response.text() == hashlib.sha256(b"".join(pieces)).hexdigest()
            async with client.get(f"{address}/stream") as response:
                lines = [line async for line in response.content]
            assert lines == [f"{number}\n".encode() for number in range(1000) for _ in range(50)]

    on_loop(ask())


def test_a_file(on_loop: OnLoop, tls: Contexts, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 20_000)

    async def ask() -> None:
        async with serving(path, tls[0]) as address, session(tls) as client:
            async with client.get(f"{address}/file") as response:
                assert await response.read() == path.read_bytes()
            async with client.get(f"{address}/file", headers={"Range": "bytes=1000-1999"}) as response:
                assert response.status == 206
                assert await response.read() == path.read_bytes()[1000:2000]

    on_loop(ask())


def test_web_sockets(on_loop: OnLoop, tls: Contexts) -> None:
    async def ask() -> None:
        async with (
            serving(context=tls[0]) as address,
            session(tls) as client,
            client.ws_connect(f"{address}/talk", max_msg_size=0) as socket,
        ):
            for size in (1, 126, 65_536, 2_000_000):
                await socket.send_bytes(b"a" + b"b" * size)
                assert await socket.receive_bytes() == b"b" * size + b"a"
            await socket.send_str("reverse")
            assert await socket.receive_str() == "esrever"

    on_loop(ask())


def test_a_timeout_and_what_is_gone(on_loop: OnLoop) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def ask() -> None:
        async with await asyncio.start_server(never, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            address = f"http://127.0.0.1:{port}"
            timeout = aiohttp.ClientTimeout(total=0.05)
            async with aiohttp.ClientSession(timeout=timeout) as client:
                with pytest.raises(asyncio.TimeoutError):
                    await client.get(address)
        async with aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.ClientConnectorError):
                await client.get(address)
            with pytest.raises(aiohttp.ClientConnectorError):
                await client.get("http://does-not-exist.invalid")

    on_loop(ask())
