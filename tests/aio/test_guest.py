"""The poller whose waits are turns of a loop, as a poller, and as what an asyncio loop waits with."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

import pytest

from netcore.aio import EventLoop, LoopPoller
from netcore.eventloop import Loop, Shared
from netcore.handler import EventHandler
from netcore.poll import Interest, available, open_poller
from netcore.sockets import open_sockets
from netcore.testing import check_poller


def open_loop(name, handler=None):
    poller = open_poller(name)
    loop = Loop(0, Shared(handler or EventHandler()), poller, open_sockets(65536, poller))
    loop.claim()
    return loop


@pytest.fixture
def loops():
    opened = []
    yield opened
    for loop in opened:
        loop.close()


@pytest.mark.parametrize("name", available())
def test_it_is_a_poller(name, loops):
    def factory():
        loops.append(open_loop(name))
        return LoopPoller(loops[-1])

    check_poller(factory)


@pytest.mark.parametrize("name", available())
def test_asyncio_runs_on_it_and_the_loop_serves(name, loops):
    class Echo(EventHandler):
        def on_traffic(self, conn):
            conn.write(conn.read())

    loop = open_loop(name, Echo())
    loops.append(loop)

    async def main():
        ours, theirs = socket.socketpair()
        await asyncio.wrap_future(loop.enroll(theirs))
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(b"by a transport of asyncio")
        assert await reader.readexactly(25) == b"by a transport of asyncio"
        assert await asyncio.to_thread(threading.get_ident) != threading.get_ident()
        for conn in loop.connections():
            conn.write(b"between two turns")
        assert await reader.readexactly(17) == b"between two turns"
        writer.close()
        await writer.wait_closed()

    with contextlib.closing(EventLoop(LoopPoller(loop))) as hosted:
        hosted.run_until_complete(main())
        hosted.run_until_complete(hosted.shutdown_default_executor())


def test_a_descriptor_of_the_loop_is_refused(loops):
    loop = open_loop(None)
    loops.append(loop)
    ours, theirs = socket.socketpair()
    with ours:
        conn = loop.enroll(theirs)
        while not conn.done():
            loop.turn(1)
        poller = LoopPoller(loop)
        with pytest.raises(FileExistsError):
            poller.register(conn.result().fd, Interest.READ)
        loop.turn(0)
        assert not conn.result().closed


def test_what_it_watched_is_let_go_of(loops):
    loop = open_loop(None)
    loops.append(loop)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        poller = LoopPoller(loop)
        poller.register(ours.fileno(), Interest.READ)
        poller.close()
        assert ours.fileno() not in loop.watchers
        again = LoopPoller(loop)
        again.register(ours.fileno(), Interest.READ)
        theirs.send(b"!")
        assert dict(again.wait(30)) == {ours.fileno(): 1}


def test_of_an_ended_loop_wakes_and_times_still_end_waits():
    loop = open_loop(None)
    poller = LoopPoller(loop)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        poller.register(ours.fileno(), Interest.READ)
        loop.close()
        assert not poller.wait(0.001)
        timer = threading.Timer(0.01, poller.wake)
        timer.start()
        assert not poller.wait(None)
        timer.join()
        poller.modify(ours.fileno(), Interest.WRITE)
        poller.unregister(ours.fileno())
        poller.register(theirs.fileno(), Interest.READ)
        poller.close()
        with pytest.raises(ValueError, match="closed"):
            poller.wait(0)
