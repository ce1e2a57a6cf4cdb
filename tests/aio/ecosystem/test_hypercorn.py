"""hypercorn and httpx in one program on the loop of netcore: HTTP/1.1 and HTTP/2, by TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from needed import library

from netcore.aio import EventLoop

library("starlette")
hypercorn = library("hypercorn")
serve = library("hypercorn.asyncio").serve
httpx = library("httpx")
library("h2")

OnLoop = Callable[[Awaitable[None]], None]
LOOP = "netcore.aio.loop.EventLoop"


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    from applications import site

    return site


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
def test_a_server_and_its_client(
    on_loop: OnLoop, application: Any, pki_files: tuple[Path, Path, Path], version: str
) -> None:
    async def main() -> None:
        assert type(asyncio.get_running_loop()) is EventLoop
        stop = asyncio.Event()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            config = hypercorn.Config()
            config.bind = [f"fd://{listener.fileno()}"]
            config.certfile, config.keyfile = str(pki_files[1]), str(pki_files[2])
            config.errorlog = None
            serving = asyncio.create_task(serve(application, config, shutdown_trigger=stop.wait))
            try:
                await ask(f"https://127.0.0.1:{listener.getsockname()[1]}")
            finally:
                stop.set()
                await serving
                listener.detach()  # the server has closed it

    async def ask(address: str) -> None:
        context = ssl.create_default_context(cafile=pki_files[0])
        async with httpx.AsyncClient(verify=context, http2=version == "HTTP/2", timeout=60) as client:
            answers = await asyncio.gather(*(client.get(f"{address}/loop") for _ in range(50)))
            assert {(answer.text, answer.http_version) for answer in answers} == {(LOOP, version)}
            body = bytes(range(256)) * 1000
            answer = await client.post(f"{address}/digest", content=body)
            assert answer.text == f"{len(body)} {sum(body)}"
            async with client.stream("GET", f"{address}/numbers/500") as streamed:
                lines = [line async for line in streamed.aiter_lines()]
            assert lines == [str(number) for number in range(500)]

    on_loop(main())
