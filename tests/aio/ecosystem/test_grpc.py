"""grpc.aio within a loop of netcore.

It does its I/O in C and not by the loop, which it asks for two things: to watch the descriptor by which its
threads say that there is something to do, and to call back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from needed import library

from netcore.aio import EventLoop

grpc = library("grpc")
aio = library("grpc.aio")

OnLoop = Callable[[Awaitable[None]], None]


async def reverse(request: bytes, context: Any) -> bytes:
    assert type(asyncio.get_running_loop()) is EventLoop
    return request[::-1]


async def count(request: bytes, context: Any) -> AsyncIterator[bytes]:
    for number in range(int(request)):
        yield str(number).encode()


async def total(requests: AsyncIterator[bytes], context: Any) -> bytes:
    return str(sum([int(request) async for request in requests])).encode()


async def echo(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request


async def fail(request: bytes, context: Any) -> bytes:
    await context.abort(grpc.StatusCode.NOT_FOUND, "there is none")
    return b""


async def hang(request: bytes, context: Any) -> bytes:
    await asyncio.get_running_loop().create_future()
    return b""


METHODS = {
    "reverse": grpc.unary_unary_rpc_method_handler(reverse),
    "count": grpc.unary_stream_rpc_method_handler(count),
    "total": grpc.stream_unary_rpc_method_handler(total),
    "echo": grpc.stream_stream_rpc_method_handler(echo),
    "fail": grpc.unary_unary_rpc_method_handler(fail),
    "hang": grpc.unary_unary_rpc_method_handler(hang),
}


@pytest.fixture
def serving(on_loop: OnLoop) -> Callable[[Callable[[Any], Awaitable[None]]], None]:
    """Gives a function a channel to a server in the same loop."""

    def serve(ask: Callable[[Any], Awaitable[None]]) -> None:
        async def main() -> None:
            server = aio.server()
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Test", METHODS),))
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            try:
                async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                    await ask(channel)
            finally:
                await server.stop(None)

        on_loop(main())

    return serve


Serving = Callable[[Callable[[Any], Awaitable[None]]], None]


def test_calls_of_many_tasks(serving: Serving) -> None:
    async def ask(channel: Any) -> None:
        call = channel.unary_unary("/Test/reverse")
        questions = [f"question {number}".encode() for number in range(200)]
        answers = await asyncio.gather(*(call(question) for question in questions))
        assert answers == [question[::-1] for question in questions]

    serving(ask)


def test_streams_either_way_and_both(serving: Serving) -> None:
    async def numbers() -> AsyncIterator[bytes]:
        for number in range(300):
            yield str(number).encode()

    async def ask(channel: Any) -> None:
        heard = [number async for number in channel.unary_stream("/Test/count")(b"300")]
        assert heard == [str(number).encode() for number in range(300)]
        assert await channel.stream_unary("/Test/total")(numbers()) == str(sum(range(300))).encode()
        assert [number async for number in channel.stream_stream("/Test/echo")(numbers())] == heard

    serving(ask)


def test_failures_and_deadlines(serving: Serving) -> None:
    async def ask(channel: Any) -> None:
        with pytest.raises(aio.AioRpcError) as caught:
            await channel.unary_unary("/Test/fail")(b"")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        with pytest.raises(aio.AioRpcError) as caught:
            await channel.unary_unary("/Test/hang")(b"", timeout=0.1)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        call = channel.unary_unary("/Test/hang")(b"")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    serving(ask)
