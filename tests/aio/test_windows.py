"""What only Windows has."""

import asyncio
import gc
import signal
import socket
import sys
import time
import uuid
import warnings

import pytest

from netcore.aio import EventLoop, run

if sys.platform != "win32":
    pytest.skip("of Windows only", allow_module_level=True)

import ctypes
import os
from asyncio.windows_utils import PipeHandle, pipe


def handles():
    """Counts the handles of this process; GetProcessHandleCount."""
    count = ctypes.c_uint32()
    kernel = ctypes.WinDLL("kernel32")
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    assert kernel.GetProcessHandleCount(ctypes.c_void_p(kernel.GetCurrentProcess()), ctypes.byref(count))
    return count.value


def name():
    return rf"\\.\pipe\netcore-{uuid.uuid4()}"


async def echo(reader, writer):
    async for line in reader:
        writer.write(line)
    writer.close()


def served(handle):
    """Makes the protocol of a connection that ``handle`` serves."""
    return asyncio.StreamReaderProtocol(asyncio.StreamReader(), handle)


def test_named_pipes(new_threads):
    async def main():
        loop = asyncio.get_running_loop()
        address = name()
        with pytest.raises(FileNotFoundError):
            await loop.create_pipe_connection(asyncio.Protocol, address)
        [server] = await loop.start_serving_pipe(lambda: served(echo), address)
        clients = []
        for n in range(5):
            reader = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(reader)
            transport, _ = await loop.create_pipe_connection(lambda protocol=protocol: protocol, address)
            assert transport.get_extra_info("addr") == address
            transport.write(f"line {n}\n".encode())
            clients.append((reader, transport))
        assert len(new_threads("netcore-pipes")) == 1
        answers = [await reader.readline() for reader, _ in clients]
        for _, transport in clients:
            transport.close()
        server.close()
        await asyncio.sleep(0.01)  # its own transports see the end
        with pytest.raises(FileNotFoundError):
            await loop.create_pipe_connection(asyncio.Protocol, address)
        return answers

    assert run(main()) == [f"line {n}\n".encode() for n in range(5)]
    assert not new_threads("netcore-pipes")


def test_a_pipe_that_is_not_for_overlapped_calls():
    async def main(reader, writer):
        loop = asyncio.get_running_loop()
        with pytest.raises(OSError):
            await loop.connect_read_pipe(asyncio.Protocol, reader)
        with pytest.raises(OSError):
            await loop.connect_write_pipe(asyncio.Protocol, writer)

    reader, writer = map(PipeHandle, pipe(overlapped=(False, False)))
    with reader, writer:
        run(main(reader, writer))


@pytest.mark.parametrize("connect", ["connect_read_pipe", "connect_write_pipe"])
def test_a_file_whose_number_is_no_handle(connect):
    async def main(file):
        with pytest.raises(ValueError, match="for pipes"):
            await getattr(asyncio.get_running_loop(), connect)(asyncio.Protocol, file)

    reader, writer = os.pipe()
    with open(reader, "rb", 0), open(writer, "wb", 0) as file:
        run(main(file))


def test_no_thread_before_there_is_a_pipe(new_threads):
    async def main():
        await asyncio.sleep(0)
        return new_threads("netcore-pipes")

    assert run(main()) == []


def test_no_handle_is_left():
    def once():
        async def main():
            loop = asyncio.get_running_loop()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "print(input())", stdin=-1, stdout=-1, stderr=-1
            )
            await process.communicate(b"hello\n")
            reader, writer = map(PipeHandle, pipe())
            source, _ = await loop.connect_read_pipe(asyncio.Protocol, reader)
            source.close()
            writer.close()

        run(main())
        gc.collect()

    once()
    before = handles()
    for _ in range(5):
        once()
    assert handles() <= before + 2  # Windows' own thread pool may grow by a worker


async def open_a_pipe():
    reader, writer = map(PipeHandle, pipe())
    source, _ = await asyncio.get_running_loop().connect_read_pipe(asyncio.Protocol, reader)
    source.close()
    writer.close()


def test_a_loop_that_nobody_closes_takes_its_thread_along(new_threads):
    loop = EventLoop()
    loop.run_until_complete(open_a_pipe())
    [thread] = new_threads("netcore-pipes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del loop
        deadline = time.monotonic() + 30
        while thread.is_alive() and time.monotonic() < deadline:
            gc.collect()  # more than once: the thread may have it in hand, to tell it of something
            thread.join(0.1)
    assert not thread.is_alive()


def test_closed_with_a_read_that_waits(new_threads):
    async def main():
        reader, writer = map(PipeHandle, pipe())
        loop = asyncio.get_running_loop()
        return await loop.connect_read_pipe(asyncio.Protocol, reader), writer

    loop = EventLoop()
    (source, _), writer = loop.run_until_complete(main())
    loop.close()
    assert not new_threads("netcore-pipes")
    writer.close()
    source._sock.close()
    source._sock = None  # else the standard library complains of a transport that nobody has closed


def test_the_wakeup_descriptor_is_given_back():
    def now():
        former = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(former)
        return former

    async def main():
        return now()

    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        former = signal.set_wakeup_fd(ours.fileno())
        try:
            assert run(main()) not in (-1, ours.fileno())
            assert now() == ours.fileno()
        finally:
            signal.set_wakeup_fd(former)


@pytest.mark.parametrize("call", ["create_unix_connection", "create_unix_server"])
def test_no_unix_sockets(call):
    async def main():
        with pytest.raises(NotImplementedError):
            await getattr(asyncio.get_running_loop(), call)(asyncio.Protocol, "path")

    run(main())


def test_no_signal_handlers():
    async def main():
        with pytest.raises(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, print)
        with pytest.raises(NotImplementedError):
            asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    run(main())
