"""HTTP/1.1 as a Protocol, on a loop of asyncio's kind. Usage: http_protocol.py LOOP PORT.

What it says is http_exchange.py.
"""

import asyncio
import sys
from typing import cast

from asyncio_loop import run
from http_exchange import Exchange, MalformedRequest, Site


class Http(asyncio.Protocol):
    def __init__(self, site: Site) -> None:
        self._answer = Exchange(site).answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self.transport.write(self._answer(data))
        except MalformedRequest:
            self.transport.close()


async def serve(name: str, port: int) -> None:
    site = Site(name)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Http(site), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    name, port = sys.argv[1], int(sys.argv[2])
    run(name, serve(name, port))
