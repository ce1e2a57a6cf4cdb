"""Pipes as transports, on every system."""

import asyncio
import os
import sys

import pytest

from netcore.aio import EventLoop, run

if sys.platform == "win32":
    from asyncio.windows_utils import PipeHandle, pipe

    def make_pipe():
        """Makes a pipe as the standard library's loop takes it: both ends are for overlapped I/O."""
        return tuple(map(PipeHandle, pipe(duplex=True)))  # the writer reads, to see its reader go
else:

    def make_pipe():
        reader, writer = os.pipe()
        return open(reader, "rb", 0), open(writer, "wb", 0)


class Reader(asyncio.Protocol):
    """Notes what is read, and wakes who waits for more."""

    def __init__(self):
        self.data = bytearray()
        self.more = asyncio.Event()
        self.ended = False
        self.lost = asyncio.get_running_loop().create_future()

    def data_received(self, data):
        self.data += data
        self.more.set()

    def eof_received(self):
        self.ended = True

    def connection_lost(self, exc):
        self.lost.set_result(exc)

    async def until(self, size):
        while len(self.data) < size:
            self.more.clear()
            await self.more.wait()
        return bytes(self.data)


class Writer(asyncio.BaseProtocol):
    """Notes whether it may write."""

    def __init__(self):
        self.paused = []
        self.may = asyncio.Event()
        self.lost = asyncio.get_running_loop().create_future()

    def pause_writing(self):
        self.paused.append(True)

    def resume_writing(self):
        self.paused.append(False)
        self.may.set()

    def connection_lost(self, exc):
        self.lost.set_result(exc)


async def connected():
    loop = asyncio.get_running_loop()
    reader, writer = make_pipe()
    source, reading = await loop.connect_read_pipe(Reader, reader)
    sink, writing = await loop.connect_write_pipe(Writer, writer)
    return source, reading, sink, writing


def test_to_the_end():
    async def main():
        source, reading, sink, writing = await connected()
        assert isinstance(source, asyncio.ReadTransport)
        assert isinstance(sink, asyncio.WriteTransport)
        assert source.get_extra_info("pipe") is not None
        sink.write(b"over the ")
        sink.write(bytearray(b"pipe"))
        assert await reading.until(13) == b"over the pipe"
        sink.write(b", and out")
        sink.close()
        assert sink.is_closing()
        assert await writing.lost is None
        assert await reading.lost is None
        return bytes(reading.data), reading.ended

    assert run(main()) == (b"over the pipe, and out", True)


def test_holds_back_while_reading_is_paused():
    data = os.urandom(1 << 20)

    async def main():
        source, reading, sink, writing = await connected()
        source.pause_reading()
        assert sys.version_info < (3, 11) or not source.is_reading()
        sink.write(data)
        assert writing.paused == [True]  # more than the high-water mark
        assert sink.get_write_buffer_size() > 0
        source.resume_reading()
        assert sys.version_info < (3, 11) or source.is_reading()
        await writing.may.wait()
        assert writing.paused == [True, False]
        assert await reading.until(len(data)) == data
        assert sink.get_write_buffer_size() == 0
        sink.close()
        await reading.lost

    run(main())


def test_nothing_is_lost_by_many_pauses():
    data = os.urandom(300_000)

    async def main():
        source, reading, sink, _ = await connected()
        sink.write(data)
        while len(reading.data) < len(data):
            reading.more.clear()
            source.resume_reading()
            await reading.more.wait()
            source.pause_reading()
            await asyncio.sleep(0)
        assert bytes(reading.data) == data
        source.close()
        sink.close()
        await reading.lost

    run(main())


def test_closed_while_it_waits_for_data():
    async def main():
        source, reading, sink, writing = await connected()
        source.close()
        assert await reading.lost is None
        while not writing.lost.done():  # the other end sees that nobody reads
            sink.write(b"x")
            await asyncio.sleep(0)
        return await writing.lost, reading.ended

    lost, ended = run(main())
    assert lost is None or isinstance(lost, OSError)
    assert not ended


def test_aborted_with_much_to_write():
    async def main():
        source, reading, sink, writing = await connected()
        source.pause_reading()
        sink.write(bytes(1 << 20))
        sink.abort()
        assert await writing.lost is None
        source.resume_reading()
        assert await reading.lost is None
        return len(reading.data)

    assert run(main()) < 1 << 20


def test_the_reader_goes_with_much_to_write():
    async def main():
        source, reading, sink, writing = await connected()
        source.pause_reading()
        sink.write(bytes(1 << 20))
        source.close()
        await reading.lost
        return await writing.lost

    assert isinstance(run(main()), OSError)


def test_streams_over_a_pipe():
    async def main():
        loop = asyncio.get_running_loop()
        reader, writer = make_pipe()
        stream = asyncio.StreamReader()
        source, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), reader)
        sink, _ = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, writer)
        sink.write(b"one\ntwo\nthr")
        lines = [await stream.readline(), await stream.readline()]
        sink.close()
        lines.append(await stream.read())
        source.close()
        return lines

    assert run(main()) == [b"one\n", b"two\n", b"thr"]


def test_a_file_is_no_pipe(tmp_path):
    async def main(file):
        with pytest.raises((ValueError, OSError)):
            await asyncio.get_running_loop().connect_read_pipe(asyncio.Protocol, file)

    with (tmp_path / "file").open("w+b") as file:
        run(main(file))


def test_used_in_several_runs(new_threads):
    loop = EventLoop()
    try:
        _, reading, sink, writing = loop.run_until_complete(connected())
        for n in range(1, 4):
            sink.write(b"x")
            assert loop.run_until_complete(reading.until(n)) == b"x" * n
        sink.close()
        loop.run_until_complete(asyncio.gather(reading.lost, writing.lost))
    finally:
        loop.close()
    assert not new_threads("netcore-pipes")
