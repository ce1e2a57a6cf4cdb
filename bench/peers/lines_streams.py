"""Echo of lines with streams, on a loop of asyncio's kind. Usage: lines_streams.py LOOP PORT."""

import asyncio
import sys

from asyncio_loop import run


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def serve(port: int) -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    run(sys.argv[1], serve(int(sys.argv[2])))
