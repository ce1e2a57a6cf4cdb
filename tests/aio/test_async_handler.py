"""A coroutine for each connection: its beginning, its end, and what it costs nobody else."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from concurrent.futures import Future

import pytest

import netcore
from netcore import Client, CloseReason, Engine, UnsupportedOperationError, UnsupportedProtocolError
from netcore.aio import AsyncHandler, loop_of
from netcore.poll import available

POLLERS = available()
LOCAL = "tcp://127.0.0.1:0"


class Serve(AsyncHandler):
    """Serves by a function, and notes down how connections end."""

    def __init__(self, function, **attributes):
        self.function = function
        self.errors = []
        self.closed = []
        self.gone = threading.Semaphore(0)
        for name, value in attributes.items():
            setattr(self, name, value)

    async def serve(self, stream):
        await self.function(stream)

    def on_error(self, conn, error):
        self.errors.append(error)
        return super().on_error(conn, error)

    def on_close(self, conn, error):
        super().on_close(conn, error)
        self.closed.append((conn.close_reason, error))
        self.gone.release()

    def wait_gone(self, count=1):
        for _ in range(count):
            assert self.gone.acquire(timeout=30)


async def echo(stream):
    while data := await stream.read(65536):
        stream.write(data)
        await stream.drain()


def reset(sock):
    sock.setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0" if os.name != "nt" else b"\1\0\0\0"
    )
    sock.close()


@pytest.mark.parametrize("edge", [False, True], ids=["level", "edge"])
@pytest.mark.parametrize("loops", [1, 3])
@pytest.mark.parametrize("poller", POLLERS)
def test_it_serves(serve, dial, receive, poller, loops, edge):
    if edge and poller == "select":
        pytest.skip("it has no edges")
    handler = Serve(echo)
    engine = serve(handler, poller=poller, num_event_loops=loops, edge_triggered=edge)
    assert engine.options.asyncio  # switched on by itself
    peers = [dial(engine) for _ in range(10)]
    for size in (1, 1000, 150_000):
        for peer in peers:
            peer.sendall(b"%d" % (size % 7) * size)
        for peer in peers:
            assert receive(peer, size) == b"%d" % (size % 7) * size
    for peer in peers:
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(1) == b""
    handler.wait_gone(10)
    assert {error for _, error in handler.closed} == {None}
    assert not handler.errors
    assert not handler._nc_streams


@pytest.mark.parametrize("edge", [False, True], ids=["level", "edge"])
@pytest.mark.parametrize("poller", POLLERS)
def test_back_pressure_either_way(serve, dial, poller, edge):
    """A peer that sends far more than it reads is slowed down, and all of it comes back."""
    if edge and poller == "select":
        pytest.skip("it has no edges")
    engine = serve(
        Serve(echo),
        poller=poller,
        edge_triggered=edge,
        high_water=200_000,
        low_water=50_000,
        max_outbound=2_000_000,
        max_inbound=500_000,
    )
    peer = dial(engine)
    total = 20_000_000
    block = bytes(range(256)) * 4096

    def send():
        left = total
        while left:
            part = block[: min(left, len(block))]
            peer.sendall(part)
            left -= len(part)
        peer.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(0.2)  # so that everything is full
    got = 0
    while data := peer.recv(1 << 20):
        assert data == (block * 2)[got % 256 : got % 256 + len(data)]
        got += len(data)
    sender.join()
    assert got == total


def test_who_is_busy_slows_the_peer_down(serve, dial, receive):
    """It costs neither memory nor, by ``max_inbound``, the connection."""
    go_on = Future()
    unread = Future()

    async def busy(stream):
        await stream.readexactly(1)
        await asyncio.sleep(0.3)
        unread.set_result(stream.conn.inbound_buffered)
        await asyncio.wrap_future(go_on)
        total = 1
        while data := await stream.read(1 << 20):
            total += len(data)
        stream.write(b"%d" % total)

    handler = Serve(busy)
    peer = dial(serve(handler, max_inbound=300_000, socket_recv_buffer=65536))
    sender = threading.Thread(target=lambda: (peer.sendall(bytes(5_000_000)), peer.shutdown(socket.SHUT_WR)))
    sender.start()
    assert 0 < unread.result(30) <= 65536 * 2
    go_on.set_result(None)
    assert receive(peer, 7) == b"5000000"
    sender.join()
    handler.wait_gone()
    assert handler.closed == [(CloseReason.EOF, None)]


def test_the_application_and_a_stream_do_not_end_each_others_pauses(serve, dial, receive):
    async def busy(stream):
        conn = stream.conn
        while not conn.paused:  # since more is unread than its limit
            await asyncio.sleep(0.01)
        conn.pause_reading()
        conn.resume_reading()
        assert conn.paused
        conn.pause_reading()
        total = len(await stream.read(1 << 20))
        assert conn.paused, "the application's is still there"
        conn.resume_reading()
        while data := await stream.read(1 << 20):
            total += len(data)
        stream.write(b"%d" % total)

    peer = dial(serve(Serve(busy, limit=1000)))
    peer.sendall(bytes(200_000))
    peer.shutdown(socket.SHUT_WR)
    assert receive(peer, 6) == b"200000"


def test_what_was_written_is_sent_when_serve_returns(serve, dial, receive):
    async def once(stream):
        stream.write(bytes(3_000_000))
        stream.write(b"the end")

    handler = Serve(once)
    peer = dial(serve(handler))
    assert receive(peer, 4_000_000) == bytes(3_000_000) + b"the end"
    handler.wait_gone()
    assert handler.closed == [(CloseReason.LOCAL, None)]


@pytest.mark.parametrize("before", [False, True], ids=["at once", "after a read"])
def test_an_exception_goes_to_on_error(serve, dial, caplog, before):
    async def fail(stream):
        stream.write(b"so far")
        if before:
            await stream.readexactly(3)
        raise LookupError("the reason")

    handler = Serve(fail)
    peer = dial(serve(handler))
    peer.sendall(b"abc")
    assert peer.recv(10) == b"so far"
    assert peer.recv(10) == b""
    handler.wait_gone()
    (error,) = handler.errors
    assert isinstance(error, LookupError)
    assert handler.closed == [(CloseReason.ERROR, error)]
    (record,) = caplog.records
    assert "in fail" in record.exc_text


def test_on_error_decides_what_happens(serve, dial):
    class Shuts(Serve):
        def on_error(self, conn, error):
            return netcore.Action.SHUTDOWN

    async def fail(stream):
        raise LookupError

    engine = serve(Shuts(fail))
    dial(engine)
    assert engine.join(30)


def test_a_peer_that_leaves_between_two_messages_is_no_error(serve, dial, caplog):
    async def lines(stream):
        while True:
            stream.write(await stream.readuntil())

    handler = Serve(lines)
    engine = serve(handler)
    with dial(engine) as peer:
        peer.sendall(b"one\n")
        assert peer.recv(10) == b"one\n"
    handler.wait_gone()
    assert not handler.errors
    with dial(engine) as peer:
        peer.sendall(b"one\ntw")
        assert peer.recv(10) == b"one\n"
    handler.wait_gone()
    (error,) = handler.errors
    assert error.partial == b"tw"


@pytest.mark.wine("a reset is read as the end of the stream")
@pytest.mark.parametrize("poller", POLLERS)
def test_a_reset_is_told_by_what_waits(serve, dial, poller, caplog):
    """And by on_close: so it is no error that serve ends by it."""
    seen = []

    async def reads(stream):
        stream.write(b"!")
        try:
            await stream.read(1)
        except OSError as error:
            seen.append(error)
            raise

    handler = Serve(reads)
    peer = dial(serve(handler, poller=poller))
    peer.recv(1)
    reset(peer)
    handler.wait_gone()
    ((reason, error),) = handler.closed
    assert reason is CloseReason.ERROR
    assert isinstance(error, ConnectionResetError)
    assert seen == [error]
    assert not handler.errors
    assert not caplog.records


def test_drain_tells_of_a_reset(serve, dial):
    seen = Future()

    async def floods(stream):
        try:
            while True:
                stream.write(bytes(100_000))
                await stream.drain()
        except OSError as error:
            seen.set_result(error)
            raise

    handler = Serve(floods)
    peer = dial(serve(handler, high_water=200_000, low_water=100_000))
    peer.recv(1)
    time.sleep(0.05)
    reset(peer)
    assert isinstance(seen.result(30), ConnectionError)
    handler.wait_gone()
    assert not handler.errors


@pytest.mark.unasked
def test_who_does_not_see_the_end_is_cancelled_after_a_grace(serve, dial):
    seen = Future()

    async def waits(stream):
        stream.write(b"!")
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            seen.set_result(asyncio.get_running_loop().time())
            raise

    handler = Serve(waits, grace=0.2)
    peer = dial(serve(handler))
    peer.recv(1)
    before = time.monotonic()
    reset(peer)
    assert seen.result(30) - before >= 0.2
    assert not handler.errors


def test_the_grace_is_enough_to_end_in_order(serve, dial):
    seen = Future()

    async def works(stream):
        stream.write(b"!")
        await asyncio.sleep(0.2)
        seen.set_result(await stream.read(10))

    handler = Serve(works, grace=30)
    with dial(serve(handler)) as peer:
        peer.recv(1)
        peer.sendall(b"last words")
    assert seen.result(30) == b"last words"


@pytest.mark.unasked
def test_a_grace_of_zero_and_one_without_end(serve, dial):
    ends = Future()

    async def waits(stream):
        stream.write(b"!")
        try:
            await asyncio.sleep(0.3)
        finally:
            ends.set_result(sys.exc_info()[0])

    for grace, kind in ((0, asyncio.CancelledError), (float("inf"), None)):
        ends = Future()
        peer = dial(serve(Serve(waits, grace=grace)))
        peer.recv(1)
        reset(peer)
        assert ends.result(30) is kind


def test_half_closed_peers_are_served_on(serve, dial, receive):
    async def sums(stream):
        total = sum(await stream.read())
        await asyncio.sleep(0.01)
        stream.write(b"%d" % total)

    peer = dial(serve(Serve(sums)))
    peer.sendall(b"\1\2\3" * 1000)
    peer.shutdown(socket.SHUT_WR)
    assert receive(peer, 10) == b"6000"


def test_the_engine_stops_with_hundreds_of_coroutines(dial):
    """Whatever they are at: each sees the end, or is cancelled, before the engine is gone."""
    ended = []

    async def reads(stream):
        ended.append(await stream.read())

    async def sleeps(stream):
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("cancelled")

    async def works(stream):
        while await stream.read(1):
            pass
        await asyncio.to_thread(ended.append, "worked")

    async def floods(stream):
        try:
            while True:
                stream.write(bytes(50_000))
                await stream.drain()
        except OSError:
            ended.append("lost")

    kinds = [reads, sleeps, works, floods]

    async def any_of_them(stream):
        await kinds[stream.conn.id % 4](stream)

    handler = Serve(any_of_them, grace=0.1)
    engine = Engine(
        handler, LOCAL, num_event_loops=2, high_water=100_000, low_water=50_000, close_timeout=0.2
    )
    engine.start()
    peers = [dial(engine) for _ in range(400)]
    while sum(len(loop_of(loop).serving) for loop in engine.loops) < 400:
        time.sleep(0.01)
    assert engine.stop(30)
    assert len(peers) == len(ended) == len(handler.closed) == 400
    assert {str(end) for end in ended} == {"b''", "cancelled", "worked", "lost"}
    assert not handler.errors
    assert not handler._nc_streams


def test_it_stops_before_its_time_is_over(dial, caplog):
    async def waits(stream):
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                seen.append(time.monotonic())
                raise

    seen = []
    engine = Engine(Serve(waits, grace=3600), LOCAL, shutdown_timeout=0.4)
    engine.start()
    peer = dial(engine)
    while not loop_of(engine.loops[0]).serving:
        time.sleep(0.01)
    before = time.monotonic()
    assert engine.stop(30)
    assert 0.15 <= seen[0] - before <= 10  # half of its time; two clocks of Windows may differ by a tick
    assert peer.recv(1) == b""
    assert "not ended" not in caplog.text


@pytest.mark.parametrize("address", ["udp://127.0.0.1:0", "udp4://127.0.0.1:0"])
def test_datagrams_are_refused(address):
    with pytest.raises(UnsupportedProtocolError, match="streams"):
        Engine(Serve(echo), address)


def test_a_dialled_datagram_socket_is_refused(serve, caplog):
    handler = Serve(echo)
    engine = serve(handler)
    engine.dial("udp://127.0.0.1:9").result(30)
    handler.wait_gone()
    assert isinstance(handler.errors[0], UnsupportedOperationError)


def test_serve_must_be_a_coroutine_function():
    class Plain(AsyncHandler):
        def serve(self, stream):
            stream.write(b"!")

    with pytest.raises(TypeError, match="async def"):
        Engine(Plain(), LOCAL)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("grace", "soon", TypeError),
        ("grace", None, TypeError),
        ("grace", -1, ValueError),
        ("grace", math.nan, ValueError),
        ("limit", "much", TypeError),
        ("limit", 1.5, TypeError),
    ],
)
def test_what_a_handler_says_is_checked_before_anything_is_bound(name, value, kind):
    handler = Serve(echo)
    setattr(handler, name, value)
    with pytest.raises(kind, match=name):
        Engine(handler, LOCAL)


def test_a_grace_that_becomes_nonsense_ends_one_connection(serve, dial):
    handler = Serve(echo)
    engine = serve(handler)
    handler.grace = "soon"
    with dial(engine) as client:
        assert client.recv(10) == b""
    handler.wait_gone()
    assert isinstance(handler.errors[0], TypeError)
    handler.grace = 1
    with dial(engine) as client:
        client.sendall(b"x")
        assert client.recv(10) == b"x"


def test_the_option_is_on_with_options_too(serve, dial, receive):
    options = netcore.Options(idle_timeout=30)
    engine = Engine(Serve(echo), LOCAL, options=options)
    assert engine.options.asyncio
    assert not options.asyncio
    engine.stop()


def test_an_init_need_not_call_the_base_class(serve, dial, receive):
    class Own(AsyncHandler):
        def __init__(self, greeting, *, twice):
            self.greeting = greeting * (1 + twice)

        async def serve(self, stream):
            stream.write(self.greeting)

    assert receive(dial(serve(Own(b"hi", twice=True))), 100) == b"hihi"


def test_a_client(serve):
    got = Future()

    async def asks(stream):
        stream.write(b"one\ntwo\n")
        got.set_result([await stream.readuntil(), await stream.readuntil()])

    address = serve(Serve(echo)).addresses[0]
    with Client(Serve(asks)) as client:
        client.dial(address)
        assert got.result(30) == [b"one\n", b"two\n"]


@pytest.mark.unix_sockets
def test_unix_sockets(serve, dial, receive, tmp_path):
    peer = dial(serve(Serve(echo), f"unix://{tmp_path}/socket"))
    peer.sendall(b"hello")
    assert receive(peer, 5) == b"hello"


def test_deadlines_end_it(serve, dial):
    seen = Future()

    async def reads(stream):
        try:
            await stream.read(1)
        except OSError as error:
            seen.set_result(error)
            raise

    handler = Serve(reads)
    peer = dial(serve(handler, idle_timeout=0.05))
    assert isinstance(seen.result(30), TimeoutError)
    assert peer.recv(1) == b""
    handler.wait_gone()
    assert handler.closed[0][0] is CloseReason.TIMEOUT
    assert not handler.errors


def test_a_second_engine_is_served_by_the_same_handler(serve, dial, receive):
    handler = Serve(echo)
    for engine in (serve(handler), serve(handler, num_event_loops=2)):
        peer = dial(engine)
        peer.sendall(b"hello")
        assert receive(peer, 5) == b"hello"


def test_debug_mode(serve, dial, receive, monkeypatch):
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    peer = dial(serve(Serve(echo), debug=True))
    for _ in range(3):
        peer.sendall(b"hello")
        assert receive(peer, 5) == b"hello"


def test_a_task_factory_is_asked(serve, dial, receive):
    made = []

    class Boots(Serve):
        def on_boot(self, engine):
            def factory(loop, coroutine, **named):
                made.append(coroutine)
                return asyncio.Task(coroutine, loop=loop, **named)

            loop = loop_of(engine.loops[0])
            loop.call_soon_threadsafe(loop.set_task_factory, factory)

    peer = dial(serve(Boots(echo)))
    peer.sendall(b"hello")
    assert receive(peer, 5) == b"hello"
    assert made


def test_nothing_of_a_connection_is_kept(serve, dial):
    kept = []

    async def notes(stream):
        kept.append(weakref.ref(stream))
        kept.append(weakref.ref(asyncio.current_task()))
        await stream.read()

    handler = Serve(notes)
    engine = serve(handler)
    for _ in range(20):
        dial(engine).close()
    handler.wait_gone(20)
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01), loop_of(engine.loops[0])).result(30)
    gc.collect()
    assert len(kept) == 40
    assert not [ref for ref in kept if ref() is not None]
    assert not loop_of(engine.loops[0]).serving


@pytest.mark.parametrize("reads", [0, 1])
def test_an_exit_in_serve_ends_the_engine(dial, reads):
    async def leaves(stream):
        await stream.read(reads)
        sys.exit(4)

    engine = Engine(Serve(leaves), LOCAL)
    engine.start()
    dial(engine).sendall(b"!")
    assert engine.join(30)
    assert engine.ended_by.code == 4


def test_a_coroutine_that_hangs_is_named():
    go_on, stuck = threading.Event(), threading.Event()

    class Hangs(AsyncHandler):
        async def serve(self, stream):
            await stream.read(1)
            stuck.set()
            go_on.wait(60)

    engine = Engine(Hangs(), LOCAL)
    engine.start()
    try:
        with socket.create_connection((engine.addresses[0].host, engine.addresses[0].port)) as peer:
            peer.sendall(b"!")
            assert stuck.wait(30)
            (hang,) = engine.hangs()
            assert "is stuck in" in hang[0]
            assert "serve (test_async_handler.py:" in hang[0]
    finally:
        go_on.set()
        assert engine.stop(30)


def test_the_command_line_serves_one(tmp_path, ask_to_stop):
    (tmp_path / "shouting.py").write_text(
        textwrap.dedent("""
            from netcore.aio import AsyncHandler

            class Shout(AsyncHandler):
                async def serve(self, stream):
                    while data := await stream.read(100):
                        stream.write(data.upper())
        """)
    )
    with subprocess.Popen(
        [sys.executable, "-m", "netcore", "run", "shouting:Shout", LOCAL],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(os.getcwd())},
        stderr=subprocess.PIPE,
        text=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    ) as process:
        line = ""
        while "listening on" not in line:
            line = process.stderr.readline()
            assert line
        port = int(line.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
            peer.sendall(b"hello")
            assert peer.recv(100) == b"HELLO"
            if not ask_to_stop(process):
                process.kill()
            assert peer.recv(100) == b""
        assert process.wait(30) == 0 or sys.platform == "win32"
        logging.getLogger().debug(process.stderr.read())
