"""Processes and their pipes, on every system."""

import asyncio
import subprocess
import sys
import threading

import pytest

from netcore.aio import EventLoop, run

PIPE = subprocess.PIPE
COPY = "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
FOREVER = "import sys; print('on', flush=True); sys.stdin.read()"


def python(code, **options):
    return asyncio.create_subprocess_exec(sys.executable, "-c", code, **options)


def test_input_output_error_and_the_code():
    async def main():
        code = "import sys; print(sys.stdin.read().upper()); print('oh', file=sys.stderr); sys.exit(3)"
        process = await python(code, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        out, err = await process.communicate(b"hello")
        return out.split(), err.split(), process.returncode

    assert run(main()) == ([b"HELLO"], [b"oh"], 3)


def test_one_pipe_for_both():
    async def main():
        code = "import sys; print('one', flush=True); print('two', file=sys.stderr)"
        process = await python(code, stdin=subprocess.DEVNULL, stdout=PIPE, stderr=subprocess.STDOUT)
        out, err = await process.communicate()
        return out.split(), err

    assert run(main()) == ([b"one", b"two"], None)


def test_a_shell():
    async def main():
        process = await asyncio.create_subprocess_shell("echo hello", stdout=PIPE)
        out, _ = await process.communicate()
        return out.strip(), process.returncode

    assert run(main()) == (b"hello", 0)


def test_no_pipe_at_all():
    async def main():
        process = await python("import sys; sys.exit(7)")
        return await process.wait()

    assert run(main()) == 7


def test_what_is_no_program():
    async def main():
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec("no-such-program-anywhere", stdout=PIPE)

    run(main())


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_ended(end):
    async def main():
        process = await python(FOREVER, stdin=PIPE, stdout=PIPE)
        assert await process.stdout.readline()
        getattr(process, end)()
        codes = await asyncio.gather(process.wait(), process.wait())
        assert codes == [process.returncode] * 2
        with pytest.raises(ProcessLookupError):
            process.kill()
        assert await process.stdout.read() == b""
        return process.returncode

    expected = 1 if sys.platform == "win32" else {"kill": -9, "terminate": -15}[end]
    assert run(main()) == expected


def test_much_both_ways():
    data = bytes(range(256)) * 8192

    async def main():
        process = await python(COPY, stdin=PIPE, stdout=PIPE)
        out, _ = await process.communicate(data)
        return out, process.returncode

    assert run(main()) == (data, 0)


def test_reading_slowly_holds_the_child_up():
    line = b"x" * 99 + b"\n"

    async def main():
        code = "import sys\nfor _ in range(5000): sys.stdout.buffer.write(b'x' * 99 + b'\\n')"
        process = await python(code, stdout=PIPE, limit=1024)
        lines = [line async for line in process.stdout]
        return len(lines), set(lines), await process.wait()

    assert run(main()) == (5000, {line}, 0)


def test_a_child_that_does_not_read():
    async def main():
        code = "import os; os.close(0); print('closed', flush=True)"
        process = await python(code, stdin=PIPE, stdout=PIPE)
        assert await process.stdout.readline()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while True:
                process.stdin.write(b"x" * 65536)
                await process.stdin.drain()
        return await process.wait()

    assert run(main()) == 0


def test_cancelled_in_the_midst():
    async def main():
        process = await python(FOREVER, stdin=PIPE, stdout=PIPE)
        assert await process.stdout.readline()
        waiting = asyncio.ensure_future(process.stdout.read())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        process.stdin.close()
        return await process.wait()

    assert run(main()) == 0


def test_a_child_that_outlives_a_run():
    loop = EventLoop()
    try:
        process = loop.run_until_complete(python(FOREVER, stdin=PIPE, stdout=PIPE))
        assert loop.run_until_complete(process.stdout.readline()).strip() == b"on"
        assert process.returncode is None
        process.stdin.close()
        assert loop.run_until_complete(process.wait()) == 0
    finally:
        loop.close()


def test_a_program_ends_though_its_child_goes_on():
    program = f"""
import asyncio, sys, threading
import netcore.aio

async def main():
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", {FOREVER!r}, stdin=-1, stdout=-1)
    await child.stdout.readline()
    return child

child = netcore.aio.run(main())
print([thread.name for thread in threading.enumerate() if "pipes" in thread.name])
"""
    done = subprocess.run([sys.executable, "-c", program], stdout=PIPE, timeout=60)
    assert (done.returncode, done.stdout.split()) == (0, [b"[]"])


def test_many_at_once():
    async def one(n):
        process = await python(COPY, stdin=PIPE, stdout=PIPE)
        out, _ = await process.communicate(str(n).encode())
        return int(out)

    async def main():
        before = threading.active_count()
        tasks = [asyncio.ensure_future(one(n)) for n in range(12)]
        await tasks[0]
        if sys.platform == "win32":
            assert threading.active_count() <= before + 1
        return await asyncio.gather(*tasks)

    assert run(main()) == list(range(12))


def test_what_a_protocol_sees():
    class Protocol(asyncio.SubprocessProtocol):
        def __init__(self):
            self.events = []
            self.out = b""
            self.over = asyncio.get_running_loop().create_future()

        def connection_made(self, transport):
            self.events.append("made")

        def pipe_data_received(self, fd, data):
            self.out += data

        def pipe_connection_lost(self, fd, exc):
            self.events.append(f"lost {fd}")

        def process_exited(self):
            self.events.append("exited")

        def connection_lost(self, exc):
            self.events.append("over")
            self.over.set_result(exc)

    async def main():
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.subprocess_exec(Protocol, sys.executable, "-c", COPY, stderr=None)
        assert isinstance(transport, asyncio.SubprocessTransport)
        pipes = [transport.get_pipe_transport(fd) for fd in (0, 1, 2)]
        assert isinstance(pipes[0], asyncio.WriteTransport)
        assert isinstance(pipes[1], asyncio.ReadTransport)
        assert pipes[2] is None
        assert transport.get_returncode() is None
        pipes[0].write(b"to and fro")
        pipes[0].close()
        assert await protocol.over is None
        assert transport.get_returncode() == 0
        transport.close()
        return protocol.events[0], set(protocol.events[1:-1]), protocol.events[-1], protocol.out

    assert run(main()) == ("made", {"lost 0", "lost 1", "exited"}, "over", b"to and fro")
