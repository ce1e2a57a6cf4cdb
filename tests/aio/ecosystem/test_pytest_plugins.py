"""The plugins of pytest that run coroutines, told to run them on the loop of netcore by their own options."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from needed import library

TIMEOUT = 100

PytestRun = Callable[..., str]


@pytest.fixture
def run_pytest(tmp_path: Path) -> PytestRun:
    """Runs files of tests in a pytest of their own, where a warning is an error; returns what it has said."""

    def run(*options: str, **files: str) -> str:
        (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *options]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


ANYIO = """
import asyncio
import signal
import socket
import sys

import anyio
import pytest
from anyio import create_task_group, create_tcp_listener, move_on_after, to_thread, from_thread

from netcore.aio import EventLoop, new_event_loop

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[
    pytest.param(("asyncio", {"loop_factory": new_event_loop}), id="netcore"),
    pytest.param(("asyncio", {"loop_factory": lambda: new_event_loop("select"), "debug": True}), id="debug"),
])
def anyio_backend(request):
    return request.param


@pytest.fixture
async def listener():
    async with await create_tcp_listener(local_host="127.0.0.1") as listener:
        yield listener


async def test_the_loop_is_ours():
    assert type(asyncio.get_running_loop()) is EventLoop


async def test_streams(listener):
    async def echo(stream):
        async with stream:
            async for data in stream:
                await stream.send(data)

    async with create_task_group() as group:
        group.start_soon(listener.serve, echo)
        address = listener.extra(anyio.abc.SocketAttribute.local_address)
        async with await anyio.connect_tcp(*address) as stream:
            for size in (1, 1000, 5_000_000):
                async with create_task_group() as both:
                    both.start_soon(stream.send, b"x" * size)
                    received = 0
                    while received < size:
                        received += len(await stream.receive())
            await stream.send_eof()
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
        group.cancel_scope.cancel()


async def test_datagrams():
    async with await anyio.create_udp_socket(family=socket.AF_INET, local_host="127.0.0.1") as one:
        async with await anyio.create_udp_socket(family=socket.AF_INET, local_host="127.0.0.1") as two:
            await one.sendto(b"hello", *two.extra(anyio.abc.SocketAttribute.local_address))
            assert (await two.receive())[0] == b"hello"


async def test_cancellation():
    with move_on_after(0.01) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    async with create_task_group() as group:
        group.start_soon(anyio.sleep_forever)
        group.cancel_scope.cancel()


async def test_threads_either_way():
    async def double(number):
        return 2 * number

    assert await to_thread.run_sync(lambda: from_thread.run(double, 21)) == 42


async def test_processes():
    done = await anyio.run_process([sys.executable, "-c", "print(input()[::-1])"], input=b"hello\\n")
    assert done.stdout.split() == [b"olleh"]


async def test_signals():
    with anyio.open_signal_receiver(signal.SIGUSR1) as signals:
        signal.raise_signal(signal.SIGUSR1)
        async for number in signals:
            assert number == signal.SIGUSR1
            break


async def test_raw_sockets():
    one, two = socket.socketpair()
    with one, two:
        one.setblocking(False)
        two.setblocking(False)
        async with create_task_group() as group:
            group.start_soon(anyio.wait_readable, one)
            await anyio.wait_writable(two)
            two.send(b"x")
"""


def test_anyio(run_pytest: PytestRun) -> None:
    library("anyio")
    said = run_pytest("-p", "no:asyncio", test_it=ANYIO)
    assert "16 passed" in said
    assert "test_streams[netcore]" in said


def test_anyio_as_a_program() -> None:
    library("anyio")
    import asyncio

    import anyio

    from netcore.aio import EventLoop, new_event_loop

    async def main() -> type:
        await anyio.sleep(0)
        return type(asyncio.get_running_loop())

    assert anyio.run(main, backend_options={"loop_factory": new_event_loop}) is EventLoop


HOOK = """
from netcore.aio import new_event_loop


def pytest_asyncio_loop_factories(config, item):
    return {"netcore": new_event_loop}
"""

POLICY = """
import pytest

from netcore.aio import EventLoopPolicy


@pytest.fixture(scope="session")
def event_loop_policy():
    return EventLoopPolicy()
"""

TWO = """
import asyncio

from netcore.aio import new_event_loop


def pytest_asyncio_loop_factories(config, item):
    return {"netcore": new_event_loop, "stock": asyncio.new_event_loop}
"""

ASYNCIO = """
import asyncio

import pytest
import pytest_asyncio

from netcore.aio import EventLoop


@pytest_asyncio.fixture
async def address():
    async def echo(reader, writer):
        writer.write(await reader.readline())
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def loop_of_the_module():
    return asyncio.get_running_loop()


@pytest.mark.asyncio
async def test_a_fixture_on_the_same_loop(address):
    assert type(asyncio.get_running_loop()) is EventLoop
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"hello\\n")
    assert await reader.read() == b"hello\\n"
    writer.close()
    await writer.wait_closed()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("turn", [1, 2])
async def test_a_loop_for_a_module(loop_of_the_module, turn):
    assert asyncio.get_running_loop() is loop_of_the_module
    assert type(loop_of_the_module) is EventLoop
"""

EITHER = """
import asyncio

import pytest

from netcore.aio import EventLoop


@pytest.mark.asyncio
async def test_on_each():
    await asyncio.sleep(0)


@pytest.mark.asyncio(loop_factories=["netcore"])
async def test_on_ours():
    assert type(asyncio.get_running_loop()) is EventLoop
"""

SCOPES = ("-p", "no:anyio", "-o", "asyncio_default_fixture_loop_scope=function")


def test_pytest_asyncio(run_pytest: PytestRun) -> None:
    library("pytest_asyncio")
    assert "3 passed" in run_pytest(*SCOPES, conftest=HOOK, test_it=ASYNCIO)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="asyncio's policies are deprecated, and end")
def test_pytest_asyncio_with_a_policy(run_pytest: PytestRun) -> None:
    library("pytest_asyncio")
    heeded = ("-W", "ignore::pytest.PytestDeprecationWarning", "-W", "ignore::DeprecationWarning")
    assert "3 passed" in run_pytest(*SCOPES, *heeded, conftest=POLICY, test_it=ASYNCIO)


def test_pytest_asyncio_with_two_loops(run_pytest: PytestRun) -> None:
    library("pytest_asyncio")
    said = run_pytest(*SCOPES, conftest=TWO, test_it=EITHER)
    assert "3 passed" in said
    for name in ("test_on_each[netcore]", "test_on_each[stock]"):
        assert name in said
