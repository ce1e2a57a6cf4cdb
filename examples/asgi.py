"""An ASGI application, served by uvicorn on the asyncio loop of netcore.

python examples/asgi.py tcp://127.0.0.1:8000
uvicorn --loop netcore.aio:new_event_loop examples.asgi:application
curl http://127.0.0.1:8000/hello
curl --data-binary @file http://127.0.0.1:8000/echo

It needs the package uvicorn, from 0.36 on for the second way. Other applications of ASGI are served alike,
such as those of Starlette and FastAPI.
"""

import argparse
import asyncio
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import netcore
import netcore.aio

if not __package__:
    # Run as a script: Python has put this directory on the path, where the one above has to be.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.needed import needed

with needed("uvicorn>=0.36"):
    import uvicorn

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def application(scope: Message, receive: Receive, send: Send) -> None:
    """GET /hello says on which loop it runs, POST /echo sends the body back while it comes."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])  # which servers take for a no, as to a lifespan
    match scope["method"], scope["path"]:
        case "GET", "/hello":
            loop = type(asyncio.get_running_loop())
            await answer(send, 200)
            await send_part(send, f"hello from {loop.__module__}\n".encode(), more=False)
        case "POST", "/echo":
            await answer(send, 200)
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                more = message.get("more_body", False)
                await send_part(send, message.get("body", b""), more)
        case _:
            await answer(send, 404)
            await send_part(send, b"there is no such thing\n", more=False)


async def answer(send: Send, status: int) -> None:
    """Begins an answer, whose length is not said before."""
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def send_part(send: Send, body: bytes, more: bool) -> None:
    """Sends a part of it, or the last."""
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def serve(listener: socket.socket) -> None:
    """Serves until uvicorn has been told to stop by SIGINT or SIGTERM."""
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning"))
    await server.serve([listener])


def main() -> None:
    """Listens, says where, and serves."""
    parser = argparse.ArgumentParser(description="Serves an ASGI application with uvicorn.")
    parser.add_argument(
        "address",
        metavar="ADDRESS",
        nargs="?",
        default="tcp://127.0.0.1:8000",
        help="tcp://HOST:PORT (default: tcp://127.0.0.1:8000)",
    )
    try:
        address = netcore.Address.parse(parser.parse_args().address)
        listener = socket.create_server((address.host, address.port), backlog=2048)
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"asgi: {error}")
    host, port = listener.getsockname()[:2]
    # Once it has served, uvicorn sends itself the signal that has ended it, for whoever handled that before.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(f"asgi on tcp://{host}:{port}", flush=True)
    with listener, suppress(KeyboardInterrupt):
        netcore.aio.run(serve(listener))


if __name__ == "__main__":
    main()
