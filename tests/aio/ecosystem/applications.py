"""The applications that servers of ASGI are given: a plain one, and one of Starlette."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect


def loop_name() -> str:
    loop = type(asyncio.get_running_loop())
    return f"{loop.__module__}.{loop.__qualname__}"


async def plain(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers any request with the name of its loop, and the length of the request's body."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": f"{loop_name()} ".encode(), "more_body": True})
    await send({"type": "http.response.body", "body": str(length).encode()})


async def which(request: Request) -> PlainTextResponse:
    return PlainTextResponse(loop_name())


async def digest(request: Request) -> PlainTextResponse:
    length = total = 0
    async for chunk in request.stream():
        length += len(chunk)
        total += sum(chunk)
    return PlainTextResponse(f"{length} {total}")


async def numbers(request: Request) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        for number in range(request.path_params["count"]):
            yield f"{number}\n"
            await asyncio.sleep(0)

    return StreamingResponse(lines(), media_type="text/plain")


async def large(request: Request) -> PlainTextResponse:
    return PlainTextResponse(b"x" * request.path_params["size"])


async def slow(request: Request) -> StreamingResponse:
    """Says that it has begun, and ends once all of the request is there."""

    async def parts() -> AsyncIterator[str]:
        yield "begun\n"
        async for _ in request.stream():
            pass
        yield "ended\n"

    return StreamingResponse(parts(), media_type="text/plain")


async def in_a_thread(request: Request) -> PlainTextResponse:
    return PlainTextResponse(await asyncio.to_thread(lambda: "from a thread"))


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            message = await websocket.receive_text()
            await websocket.send_text(f"{loop_name()}: {message}" if message == "loop" else message)
    except WebSocketDisconnect:
        print("the websocket has ended", flush=True)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    print(f"lifespan begins on {loop_name()}", flush=True)
    yield
    print("lifespan ends", flush=True)


site = Starlette(
    routes=[
        Route("/loop", which),
        Route("/digest", digest, methods=["POST"]),
        Route("/numbers/{count:int}", numbers),
        Route("/large/{size:int}", large),
        Route("/slow", slow, methods=["POST"]),
        Route("/thread", in_a_thread),
        WebSocketRoute("/echo", echo),
    ],
    lifespan=lifespan,
)
