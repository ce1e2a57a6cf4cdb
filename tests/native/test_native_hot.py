"""The types of the hot half themselves: odd uses, failing allocations, and what they keep alive."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from pathlib import Path

import fakes_in_c
import pytest

from netcore import Address, EventHandler
from netcore._native import COLD, MISSING
from netcore.connection import Limits
from netcore.eventloop import Listener, Loop, Shared
from netcore.poll import why_unavailable
from netcore.testing import FakePoller, FakeSockets, ManualClock, RecordingHandler

# A wheel that has a native part at all has this one, or is wrong.
pytestmark = pytest.mark.skipif(
    bool(COLD) and (bool(MISSING) or os.environ.get("NETCORE_TESTED") != "wheel"), reason=COLD
)

HERE = Path(__file__).parent
ADDRESS = Address("tcp", "192.0.2.1", 9000)


def run(program, *args):
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", HERE / program, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("alive\n")


@pytest.mark.skipif(os.environ.get("NETCORE_TESTED") != "wheel", reason="tox tests installed wheels")
def test_a_wheel_that_another_python_has_built_has_it():
    assert COLD == ""


@pytest.mark.parametrize("seed", range(4))
def test_odd_uses_end_in_exceptions(seed):
    run("odd_uses.py", seed)


@pytest.mark.skipif(bool(why_unavailable("epoll")), reason="what waits is epoll's")
@pytest.mark.parametrize("edge_chunk", [0, 4000], ids=["level", "edge"])
@pytest.mark.parametrize("size", [100, 9000])
def test_a_failing_allocation_costs_one_connection_at_most(edge_chunk, size):
    pytest.importorskip("_testcapi", reason="this Python can fail no allocation")
    run("no_memory.py", edge_chunk, size)


@pytest.mark.skipif(bool(why_unavailable("epoll")), reason="what waits is epoll's")
@pytest.mark.parametrize("size", [100, 40000])
def test_a_failing_allocation_costs_one_transport_of_an_asyncio_loop_at_most(size):
    pytest.importorskip("_testcapi", reason="this Python can fail no allocation")
    run("aio_no_memory.py", size)


def test_a_failing_allocation_costs_a_kcp_session_datagrams_at_most():
    pytest.importorskip("_testcapi", reason="this Python can fail no allocation")
    run("kcp_no_memory.py")


class Echo(EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())


class Discarding(FakeSockets):
    """Keeps nothing of what is sent."""

    def send(self, fds, chunks):
        left = super().send(fds, chunks)
        self.sent.clear()
        return left


def make_loop(handler, sockets=FakeSockets, **limits):
    clock = ManualClock()
    make_poller, make_sockets = fakes_in_c.of("hot", FakePoller, sockets)
    poller = make_poller(clock)
    loop = Loop(0, Shared(handler, Limits(**limits)), poller, make_sockets(poller), clock)
    loop.claim()
    loop.listen(Listener(50, ADDRESS, "tcp", None, int), None)
    loop.start_accepting()
    return loop


def connect(loop, count=1):
    fds = [loop.sockets.connect(50) for _ in range(count)]
    turn(loop, 3)
    return [loop._hosted.streams[fd] for fd in fds]


def turn(loop, count=1):
    for _ in range(count):
        loop.execute(int)
        loop.turn()


@pytest.mark.parametrize("size", [1, 1024, 1025, 8192, 16384, 65536])
@pytest.mark.parametrize("edge_chunk", [0, 4000], ids=["level", "edge"])
def test_messages_leave_no_reference_behind(size, edge_chunk):
    class Views(EventHandler):
        def on_traffic(self, conn):
            conn.write(conn.peek())
            conn.write(conn.next(conn.inbound_buffered // 2))
            conn.write(chunk)
            conn.discard()

    chunk = bytes(size)
    handler = Views()
    loop = make_loop(handler, Discarding, edge_chunk=edge_chunk)
    conns = connect(loop, 3)
    held = [handler, chunk, loop, loop.outbox, loop.inbox, loop.counters, *conns]

    def serve():
        for conn in conns:
            loop.sockets.feed(conn.fd, chunk)
        turn(loop, 40)
        gc.collect()

    serve()
    before = [sys.getrefcount(each) for each in held]
    serve()
    assert [sys.getrefcount(each) for each in held] == before
    loop.close()


def test_messages_take_no_memory_for_good(tracemalloc):
    loop = make_loop(Echo(), Discarding)
    conns = connect(loop, 70)

    def serve(times):
        for i in range(times):
            for conn in conns:
                loop.sockets.feed(conn.fd, bytes(300 + 40_000 * (i % 7 == 0)))
            turn(loop)
        turn(loop, 3)
        gc.collect()

    serve(20)
    tracemalloc.start()
    try:
        serve(20)
        before, _ = tracemalloc.get_traced_memory()
        serve(200)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000  # one byte of each message would be more than half of that
    loop.close()


def test_connections_that_are_gone_are_freed():
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)
    loop = make_loop(handler)
    conns = connect(loop, 5)
    for conn in conns:
        conn.context = [conn]  # a circle
        conn.set_deadline(9)
        loop.sockets.feed(conn.fd, b"x" * 20_000)
    turn(loop)
    refs = [weakref.ref(conn) for conn in conns]
    for conn in conns:
        conn.close()
    turn(loop, 3)
    handler.events.clear()
    del conn, conns
    gc.collect()
    assert [ref() for ref in refs] == [None] * 5
    loop.close()


@pytest.mark.parametrize("left", ["nothing", "written", "found", "both"])
def test_a_loop_that_nobody_ends_is_freed_with_all_that_it_holds(left):
    """In a circle with its connections, its outbox, and what its last wait has found."""
    handler = Echo()
    loop = make_loop(handler)
    conns = connect(loop, 3)
    handler.loop = loop
    for conn in conns:
        conn.context = conn
    if left in ("written", "both"):
        for conn in conns:
            conn.write(b"small")
            conn.write(memoryview(bytes(9000)))
    if left in ("found", "both"):
        for conn in conns:
            loop.sockets.feed(conn.fd, b"found")
        assert loop._intake.wait(0.0) == 3
    refs = [weakref.ref(each) for each in (handler, loop, *conns)]
    del handler, loop, conns, conn
    gc.collect()
    assert [ref() for ref in refs] == [None] * len(refs)
