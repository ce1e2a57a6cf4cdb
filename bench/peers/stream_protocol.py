"""Stream echo as a Protocol, on a loop of asyncio's kind.

Usage: stream_protocol.py LOOP PORT [CERTIFICATE KEY].
"""

import asyncio
import ssl
import sys
from typing import cast

from asyncio_loop import run


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


def context_of(certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


async def serve(port: int, files: list[str]) -> None:
    loop = asyncio.get_running_loop()
    context = context_of(*files) if files else None
    server = await loop.create_server(Echo, "127.0.0.1", port, backlog=4096, ssl=context)
    await server.serve_forever()


if __name__ == "__main__":
    run(sys.argv[1], serve(int(sys.argv[2]), sys.argv[3:]))
