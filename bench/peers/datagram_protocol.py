"""Datagram echo as a Protocol on asyncio or uvloop. Usage: datagram_protocol.py LOOP PORT."""

import asyncio
import sys
from typing import Any, cast


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self.transport.sendto(data, addr)


async def serve(port: int) -> None:
    await asyncio.get_running_loop().create_datagram_endpoint(Echo, ("127.0.0.1", port))
    await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[1] == "uvloop":
        import uvloop

        uvloop.run(serve(int(sys.argv[2])))
    else:
        asyncio.run(serve(int(sys.argv[2])))
