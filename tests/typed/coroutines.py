"""What type checkers see of netcore.aio in somebody's program: checked by tox's ``types``, never run.

A comment that ignores an error stands where there has to be one: one that is not needed is an error itself.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true, reportDeprecated=false

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import Future

from typing_extensions import assert_type

import netcore
import netcore.aio
from netcore.aio import AsyncHandler, EventLoop, Stream, loop_of, new_event_loop
from netcore.codec import LineCodec


class Serves(AsyncHandler):
    grace = 2
    limit = 1 << 20

    async def serve(self, stream: Stream) -> None:
        assert_type(await stream.read(), bytes)
        assert_type(await stream.readexactly(4), bytes)
        assert_type(await stream.readuntil(), bytes)
        async for frame in stream.frames(LineCodec(10)):
            assert_type(frame, bytes)
        async with await stream.dial("tcp://192.0.2.1:7") as other:
            assert_type(other, Stream)
            other.write(memoryview(b"x"))
        stream.write("text")  # type: ignore[arg-type]
        assert_type(stream.conn, netcore.Conn)


class Asks(netcore.EventHandler):
    def on_traffic(self, conn: netcore.Conn) -> None:
        loop: asyncio.AbstractEventLoop = loop_of(conn)
        task = loop_of(conn).create_task(main())
        assert_type(task, asyncio.Task[str])
        loop.call_soon(conn.close)


async def main() -> str:
    return "done"


def program() -> None:
    assert_type(netcore.aio.run(main(), poller="epoll", debug=True), str)
    assert_type(new_event_loop(), EventLoop)
    if sys.version_info >= (3, 11):
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            assert_type(runner.run(main()), str)
    if sys.version_info < (3, 14):
        asyncio.set_event_loop_policy(netcore.aio.EventLoopPolicy())
    with netcore.Engine(Asks(), "tcp://127.0.0.1:0", asyncio=True) as engine:
        future = asyncio.run_coroutine_threadsafe(main(), loop_of(engine.loops[0]))
        assert_type(future, Future[str])
        loop_of(engine)  # type: ignore[arg-type]
    netcore.aio.AsyncHandlr  # type: ignore[attr-defined]  # noqa: B018
    netcore.aio.run(main)  # type: ignore[arg-type]
