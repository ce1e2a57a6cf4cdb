"""What a coroutine does with its connection: reads of every kind, frames, writes, and misuse."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from concurrent.futures import Future

import pytest

from netcore import ConnectionClosedError, FrameError, TooLongFrameError
from netcore.aio import AsyncHandler, Stream, loop_of
from netcore.codec import LengthFieldCodec, LineCodec
from netcore.poll import available

LOCAL = "tcp://127.0.0.1:0"


class Serve(AsyncHandler):
    """Serves by a function, whose result or exception is a future's."""

    def __init__(self, function, **attributes):
        self.function = function
        self.result = Future()
        for name, value in attributes.items():
            setattr(self, name, value)

    async def serve(self, stream):
        try:
            result = await self.function(stream)
        except BaseException as error:
            if not self.result.done():
                self.result.set_exception(error)
            raise
        if not self.result.done():
            self.result.set_result(result)

    def on_error(self, conn, error):
        from netcore import Action

        return Action.CLOSE


@pytest.fixture
def talk(serve, dial):
    """Runs a function on the stream of a connection, and another on its peer; returns what the first does."""

    def run(function, act=lambda peer: None, attributes=None, **options):
        handler = Serve(function, **(attributes or {}))
        peer = dial(serve(handler, **options))
        act(peer)
        return handler.result.result(30)

    return run


def sends(*pieces, end=True):
    def act(peer):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            peer.sendall(piece)
            threading.Event().wait(0.02)
        if end:
            peer.shutdown(socket.SHUT_WR)

    return act


def after(event, act):
    """Acts only once the coroutine has come so far."""

    def later(peer):
        assert event.wait(30)
        act(peer)

    return later


def test_reads_of_every_kind(talk):
    async def reads(stream):
        return [
            await stream.readexactly(3),
            await stream.readuntil(),
            await stream.readuntil(b"--"),
            await stream.read(0),
            await stream.read(2),
            await stream.readexactly(0),
            await stream.read(),
            await stream.read(),
            await stream.read(5),
        ]

    got = talk(reads, sends(b"abcline\nboun", b"dary-", b"-xyzrest of", b" it"))
    assert got == [b"abc", b"line\n", b"boundary--", b"", b"xy", b"", b"zrest of it", b"", b""]


@pytest.mark.parametrize("poller", available())
@pytest.mark.parametrize("seed", range(4))
def test_random_reads_lose_nothing(talk, poller, seed):
    """Whatever the order of reads, timeouts and pauses: the bytes come in order and once."""
    chance = random.Random(seed)
    data = bytes(chance.choice(b"ab\n") for _ in range(300_000))

    async def reads(stream):
        got = []
        while sum(map(len, got)) < len(data):
            kind = chance.randrange(5)
            try:
                if kind == 0:
                    got.append(await asyncio.wait_for(stream.readexactly(chance.choice((1, 10, 5000))), 0.01))
                elif kind == 1:
                    got.append(await stream.readuntil(chance.choice((b"\n", b"ab", b"aa\n"))))
                elif kind == 2:
                    got.append(await stream.read(chance.choice((1, 100, 100_000))))
                elif kind == 3:
                    read = asyncio.ensure_future(stream.readexactly(100_000_00))
                    await asyncio.sleep(chance.choice((0, 0, 0.001)))
                    read.cancel()
                    assert isinstance(
                        (await asyncio.gather(read, return_exceptions=True))[0],
                        (asyncio.CancelledError, asyncio.IncompleteReadError),
                    )
                    if not read.cancelled():
                        got.append(read.exception().partial)
                else:
                    await asyncio.sleep(0)
            except asyncio.TimeoutError:
                pass
            except asyncio.IncompleteReadError as error:
                got.append(error.partial)
        return b"".join(got)

    def act(peer):
        at = 0
        while at < len(data):
            n = chance.choice((1, 100, 3000, 50_000))
            peer.sendall(data[at : at + n])
            at += n
        peer.shutdown(socket.SHUT_WR)

    chance = random.Random(seed)
    assert talk(reads, act, poller=poller) == data


def test_a_cancelled_read_has_taken_nothing(talk):
    ready = threading.Event()

    async def reads(stream):
        loop = asyncio.get_running_loop()
        read = loop.create_task(stream.readexactly(6))
        await asyncio.sleep(0.01)
        ready.set()
        while stream.conn.inbound_buffered < 3:
            await asyncio.sleep(0.001)
        read.cancel()
        with pytest.raises(RuntimeError, match="already waiting"):  # it has not been told yet
            await stream.read(1)
        await asyncio.gather(read, return_exceptions=True)
        assert read.cancelled()
        return await stream.read(6)

    def act(peer):
        assert ready.wait(30)
        peer.sendall(b"abc")

    assert talk(reads, act) == b"abc"


def test_bytes_that_come_after_a_cancel_and_before_it_is_told(talk):
    async def reads(stream):
        got = b""
        for _ in range(200):
            read = asyncio.ensure_future(stream.read(1000))
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0.0005, read.cancel)
            try:
                got += await read
            except asyncio.CancelledError:
                pass
        return got + await stream.read()

    data = bytes(range(256)) * 40

    def act(peer):
        for i in range(0, len(data), 64):
            peer.sendall(data[i : i + 64])
            if not i % 640:
                threading.Event().wait(0.001)
        peer.shutdown(socket.SHUT_WR)

    assert talk(reads, act) == data


def test_too_few_bytes(talk):
    async def reads(stream):
        with pytest.raises(asyncio.IncompleteReadError) as exactly:
            await stream.readexactly(10)
        with pytest.raises(asyncio.IncompleteReadError) as until:
            await stream.readuntil(b"!")
        return exactly.value.partial, exactly.value.expected, until.value.partial, until.value.expected

    assert talk(reads, sends(b"abc", b"def")) == (b"abcdef", 10, b"", None)


@pytest.mark.parametrize("text", [b"x" * 101 + b"\n", b"x" * 500])
def test_a_line_that_is_too_long_stays(talk, text):
    async def reads(stream):
        with pytest.raises(asyncio.LimitOverrunError) as info:
            await stream.readuntil()
        skipped = await stream.readexactly(info.value.consumed)
        return skipped + await stream.read()

    assert talk(reads, sends(text), {"limit": 100}) == text


def test_a_line_of_just_the_limit(talk):
    async def reads(stream):
        return len(await stream.readuntil()), len(await stream.readuntil(b"--"))

    assert talk(reads, sends(b"x" * 99, b"x\n" + b"y" * 100 + b"-", b"-"), {"limit": 100}) == (101, 102)


@pytest.mark.parametrize(
    ("method", "arguments", "kind"),
    [
        ("readexactly", (-1,), ValueError),
        ("readexactly", (1 << 30,), ValueError),
        ("readuntil", (b"",), ValueError),
    ],
)
def test_odd_arguments(talk, method, arguments, kind):
    async def reads(stream):
        with pytest.raises(kind):
            await getattr(stream, method)(*arguments)
        return await stream.read(1)

    assert talk(reads, sends(b"!")) == b"!"


def test_a_read_beyond_the_limit_gathers(talk):
    async def reads(stream):
        first = await stream.readexactly(1_000_000)
        return first + await stream.read()

    data = bytes(range(256)) * 8000
    assert talk(reads, sends(data), {"limit": 1000}) == data


def test_read_to_the_end_is_bounded(talk):
    """By max_inbound, as everything is that nobody takes; and what is not whole is not given."""

    async def reads(stream):
        with pytest.raises(OSError, match="unread"):
            await stream.read()
        return len(await stream.read(10))

    def act(peer):
        try:
            peer.sendall(bytes(2_000_000))
        except OSError:
            pass

    assert talk(reads, act, max_inbound=300_000) == 10


@pytest.mark.wine("a reset is read as the end of the stream")
def test_a_read_to_the_end_that_is_reset_tells(talk):
    async def reads(stream):
        stream.write(b"!")
        with pytest.raises(ConnectionResetError):
            await stream.read()
        with pytest.raises(ConnectionResetError):
            await stream.readexactly(4)
        with pytest.raises(ConnectionResetError):
            await stream.readuntil(b"!")
        assert await stream.read(3) == b"abc"
        with pytest.raises(ConnectionResetError):
            await stream.read(1)

    def act(peer):
        peer.recv(1)
        peer.sendall(b"abc")
        threading.Event().wait(0.05)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()

    talk(reads, act)


# Frames.


def test_frames(talk, receive):
    codec = LengthFieldCodec(100_000, length_field_length=2, initial_bytes_to_strip=2)

    async def reads(stream):
        return [frame async for frame in stream.frames(codec)]

    frames = [b"x" * n for n in (0, 1, 5, 300, 60_000)]
    data = b"".join(map(codec.encode, frames))
    assert talk(reads, sends(data[:4], data[4:500], data[500:], b"\0\5abc")) == frames


def test_frames_can_be_left_and_taken_up(talk):
    codec, other = LineCodec(100), LineCodec(100)
    left = threading.Event()

    async def reads(stream):
        got = [await stream.readuntil()]
        async for frame in stream.frames(codec):
            got.append(frame)
            if len(got) == 3:
                break
        for read in (stream.read(1), stream.readexactly(1), stream.readuntil()):
            with pytest.raises(RuntimeError, match=r"decoder of frames\(\)"):
                await read
        with pytest.raises(RuntimeError, match=r"decoder of frames\(\)"):
            stream.frames(other)
        async for frame in stream.frames(codec):
            got.append(frame)
            if frame == b"five":
                break
        left.set()
        return [*got, await stream.read()]

    def act(peer):
        sends(b"one\ntwo\nthree\nfour\n", b"five\n", end=False)(peer)
        after(left, sends(b"the rest"))(peer)  # else the decoder has some of it

    got = talk(reads, act)
    assert got == [b"one\n", b"two", b"three", b"four", b"five", b"the rest"]


def test_a_bad_frame_is_raised_and_skipped(talk):
    codec = LineCodec(max_length=5)

    async def reads(stream):
        got = []
        while True:
            try:
                async for frame in stream.frames(codec):
                    got.append(frame)  # noqa: PERF401 - those before the bad one are kept
                return got
            except FrameError as error:
                got.append(type(error).__name__)

    assert talk(reads, sends(b"a\nmuch too long\nb\n")) == [b"a", "TooLongFrameError", b"b"]


def test_a_bad_frame_ends_serve_by_on_error(serve, dial):
    seen = Future()

    class Strict(Serve):
        def on_error(self, conn, error):
            seen.set_result(error)
            return super().on_error(conn, error)

    async def reads(stream):
        async for _ in stream.frames(LineCodec(3)):
            pass

    peer = dial(serve(Strict(reads)))
    peer.sendall(b"too long\n")
    assert peer.recv(1) == b""
    assert isinstance(seen.result(30), TooLongFrameError)


def test_frames_of_a_decoder_of_ones_own(talk):
    class Pairs:
        """Has no more than a codec's user calls."""

        def decoder(self):
            return PairDecoder()

        def encode(self, payload):
            return payload

    class PairDecoder:
        def __init__(self):
            self.data = b""

        def feed(self, data):
            self.data += data

        def next_frame(self):
            if len(self.data) < 2:
                return None
            frame, self.data = self.data[:2], self.data[2:]
            return frame

    async def reads(stream):
        return [frame async for frame in stream.frames(Pairs())]

    assert talk(reads, sends(b"abc", b"def", b"g")) == [b"ab", b"cd", b"ef"]


# Writing.


def test_drain_waits_for_the_peer(serve, dial, receive):
    full = threading.Event()

    async def floods(stream):
        for _ in range(50):
            stream.write(bytes(100_000))
            if not stream.conn.writable:
                full.set()
            await stream.drain()
            assert stream.conn.outbound_buffered <= 200_000

    handler = Serve(floods)
    peer = dial(serve(handler, high_water=200_000, low_water=100_000))
    assert full.wait(30)
    assert len(receive(peer, 6_000_000)) == 5_000_000
    handler.result.result(30)


def test_several_may_wait_for_room(serve, dial, receive):
    async def floods(stream):
        async def one():
            for _ in range(20):
                stream.write(bytes(50_000))
                await stream.drain()

        await asyncio.gather(*(one() for _ in range(5)))

    handler = Serve(floods)
    peer = dial(serve(handler, high_water=100_000, low_water=50_000))
    assert len(receive(peer, 6_000_000)) == 5_000_000
    handler.result.result(30)


def test_a_drain_that_is_cancelled(talk):
    async def floods(stream):
        stream.write(bytes(30_000_000))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(stream.drain(), 0.05)
        stream.conn.abort()
        with pytest.raises(ConnectionClosedError):
            await stream.drain()

    talk(floods)


def test_after_its_own_end_there_is_nothing_to_wait_for(talk):
    async def ends(stream):
        stream.write(b"request")
        stream.conn.shutdown_write()
        await stream.drain()
        return await stream.read()

    def act(peer):
        assert peer.recv(100) == b"request"
        sends(b"answer")(peer)

    assert talk(ends, act) == b"answer"


def test_close_and_wait_closed(talk, receive):
    async def ends(stream):
        async with stream as same:
            assert same is stream
            stream.write(b"bye")
        assert stream.conn.closed
        await stream.wait_closed()
        stream.close()
        assert await stream.read() == b""
        with pytest.raises(ConnectionClosedError):
            stream.write(b"!")
        with pytest.raises(ConnectionClosedError):
            await stream.drain()
        return repr(stream)

    def act(peer):
        assert peer.recv(100) == b"bye"

    assert talk(ends, act).startswith("<Stream of <")


def test_leaving_by_an_exception_does_not_wait(talk):
    async def ends(stream):
        with pytest.raises(LookupError):
            async with stream:
                stream.write(bytes(30_000_000))  # which the peer does not take
                raise LookupError
        return stream.conn.closed

    assert talk(ends, close_timeout=0.1) is True


# Misuse.


def test_two_reads_at_once(talk):
    refused = threading.Event()

    async def reads(stream):
        first = asyncio.ensure_future(stream.readuntil())
        await asyncio.sleep(0)
        for read in (stream.read(), stream.read(1), stream.readexactly(1), stream.readuntil()):
            with pytest.raises(RuntimeError, match="already waiting"):
                await read
        with pytest.raises(RuntimeError, match="already waiting"):
            stream.frames(LineCodec(100))
        refused.set()
        return await first

    assert talk(reads, after(refused, sends(b"line\n"))) == b"line\n"


def test_a_stream_of_another_loop(talk):
    refused = threading.Event()

    async def lends(stream):
        async def elsewhere():
            with pytest.raises(RuntimeError, match="different loop"):
                await stream.read(1)

        await asyncio.to_thread(asyncio.run, elsewhere())
        refused.set()
        return await stream.read(1)

    def sends_later(peer):
        refused.wait(30)
        peer.sendall(b"!")

    assert talk(lends, sends_later) == b"!"


def test_a_stream_on_another_thread_in_debug_mode(talk):
    from netcore import WrongThreadError

    async def lends(stream):
        await stream.readexactly(1)

        async def elsewhere():
            with pytest.raises(WrongThreadError):
                await stream.read(1)
            with pytest.raises(WrongThreadError):
                stream.write(b"!")

        await asyncio.to_thread(asyncio.run, elsewhere())
        return await stream.read(1)

    assert talk(lends, sends(b"ab"), debug=True) == b"b"


def test_a_stream_that_outlives_its_engine(serve, dial):
    kept = []

    async def keeps(stream):
        kept.append(stream)

    handler = Serve(keeps)
    engine = serve(handler)
    dial(engine)
    handler.result.result(30)
    assert engine.stop(30)
    (stream,) = kept
    with pytest.raises(ConnectionClosedError):
        stream.write(b"!")
    assert asyncio.run(stream.read()) == b""
    stream.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop_of(stream.conn).call_soon(int)
    assert isinstance(stream, Stream)
