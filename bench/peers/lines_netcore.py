"""Echo of lines by a coroutine for each connection, with netcore's engine. Usage: lines_netcore.py PORT."""

import sys

import netcore
from netcore.aio import AsyncHandler, Stream


class Echo(AsyncHandler):
    async def serve(self, stream: Stream) -> None:
        while True:
            stream.write(await stream.readuntil())
            await stream.drain()


if __name__ == "__main__":
    netcore.run(Echo(), f"tcp://127.0.0.1:{sys.argv[1]}")
