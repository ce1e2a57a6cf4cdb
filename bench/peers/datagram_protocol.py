"""Datagram echo as a Protocol, on a loop of asyncio's kind. Usage: datagram_protocol.py LOOP PORT."""

import asyncio
import sys
from typing import Any, cast

from asyncio_loop import run


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self.transport.sendto(data, addr)


async def serve(port: int) -> None:
    await asyncio.get_running_loop().create_datagram_endpoint(Echo, ("127.0.0.1", port))
    await asyncio.Event().wait()


if __name__ == "__main__":
    run(sys.argv[1], serve(int(sys.argv[2])))
