"""What a loop costs that does nothing but run tasks, after pyperformance's asyncio cases.

Usage: tasks.py LOOP CASE SECONDS. Repeats the case for so many seconds of CPU time, and prints one line of
JSON: the CPU time of the process over the steps of the case, a step being

- call_soon: a callback, each of which asks for the next, a hundred at a time;
- switch: one task's turn, a hundred of which give way to each other;
- tree-none, tree-io, tree-memoization, tree-mixed: a leaf of a tree whose nodes gather their children. A leaf
  does nothing, sleeps, sleeps once for each of its kind, or computes or sleeps;
- coroutines: one call, in a task, of a coroutine that awaits another;
- tcp: a MiB sent with streams to a client in the same loop.
"""

import asyncio
import json
import math
import random
import sys
import time
from collections.abc import Awaitable, Callable

from asyncio_loop import run

_AT_A_TIME = 100
_CALLBACKS = 100_000
_SWITCHES = 500
_BRANCHES, _LEVELS = 6, 5
_NAP = 0.05
_KINDS = 90  # kinds of leaves, in tree-memoization, among a hundred; in tree-mixed, those that compute
_DEPTH = 20
_MIB = 1 << 20
_CHUNK, _CHUNKS = 10 * _MIB, 10

Case = Callable[[], Awaitable[int]]
"""Returns how many steps it has taken."""


async def call_soon() -> int:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    left = _CALLBACKS

    def step() -> None:
        nonlocal left
        left -= 1
        if left >= _AT_A_TIME:
            loop.call_soon(step)
        elif left == 0:
            done.set_result(None)

    for _ in range(_AT_A_TIME):
        loop.call_soon(step)
    await done
    return _CALLBACKS


async def switch() -> int:
    async def take_turns() -> None:
        for _ in range(_SWITCHES):
            await asyncio.sleep(0)

    await asyncio.gather(*(take_turns() for _ in range(_AT_A_TIME)))
    return _AT_A_TIME * _SWITCHES


def tree(leaf: Callable[[], Awaitable[None]]) -> Case:
    async def grow(level: int) -> None:
        if level == 0:
            await leaf()
        else:
            await asyncio.gather(*(grow(level - 1) for _ in range(_BRANCHES)))

    async def whole() -> int:
        await grow(_LEVELS)
        return int(_BRANCHES**_LEVELS)

    return whole


async def nothing() -> None:
    pass


async def nap() -> None:
    await asyncio.sleep(_NAP)


def memoized(chance: random.Random) -> Callable[[], Awaitable[None]]:
    known: dict[int, asyncio.Task[None]] = {}

    async def leaf() -> None:
        kind = chance.randint(1, 100)
        if kind > _KINDS:
            await nap()
            return
        if kind not in known:
            known[kind] = asyncio.create_task(nap())
        await known[kind]

    return leaf


def mixed(chance: random.Random) -> Callable[[], Awaitable[None]]:
    async def leaf() -> None:
        if chance.randint(1, 100) > _KINDS:
            await nap()
        else:
            math.factorial(200)

    return leaf


async def coroutines() -> int:
    calls = 0

    async def fibonacci(n: int) -> int:
        nonlocal calls
        calls += 1
        return n if n < 2 else await fibonacci(n - 1) + await fibonacci(n - 2)

    await asyncio.create_task(fibonacci(_DEPTH))
    return calls


async def tcp() -> int:
    data = b"x" * _CHUNK

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(_CHUNKS):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(send, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        received = 0
        while piece := await reader.read(_CHUNK):
            received += len(piece)
        writer.close()
        await writer.wait_closed()
    if received != _CHUNK * _CHUNKS:
        sys.exit(f"{received} bytes have arrived")
    return received // _MIB


def case_of(name: str) -> Case:
    chance = random.Random(0)
    cases: dict[str, Case] = {
        "call_soon": call_soon,
        "switch": switch,
        "tree-none": tree(nothing),
        "tree-io": tree(nap),
        "tree-memoization": tree(memoized(chance)),
        "tree-mixed": tree(mixed(chance)),
        "coroutines": coroutines,
        "tcp": tcp,
    }
    return cases[name]


async def measure(name: str, seconds: float) -> dict[str, float]:
    await case_of(name)()  # once without the clock: memory that is fresh, code that is cold
    steps, spent, begin = 0, 0.0, time.process_time()
    while spent < seconds:
        steps += await case_of(name)()
        spent = time.process_time() - begin
    return {"messages": steps, "cpu_us_per_step": spent / steps * 1e6}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], measure(sys.argv[2], float(sys.argv[3])))))
