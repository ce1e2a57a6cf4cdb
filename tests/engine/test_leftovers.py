"""What is left of dialled connections that are over: nothing that the collector would have to look for."""

from __future__ import annotations

import gc
import sys
import threading

import pytest

from netcore import Client, EventHandler

TIMES = 10


class Echo(EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())


class Caller(EventHandler):
    """Says a word, and closes at the answer."""

    def __init__(self):
        self.ended = threading.Semaphore(0)

    def on_open(self, conn):
        conn.write(b"hello")

    def on_traffic(self, conn):
        conn.discard()
        conn.close()

    def on_close(self, conn, error):
        conn.loop.execute(self.ended.release)  # once the turn that has ended it is over


@pytest.fixture
def cycles():
    """Tells which of netcore's objects only the collector could free, of those that there were not before."""
    gc.collect()
    gc.disable()

    def find():
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            gc.collect()
            found = [type(each) for each in gc.garbage]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
        return sorted({each.__qualname__ for each in found if each.__module__.startswith("netcore")})

    yield find
    gc.enable()


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="there all is left to the collector")
@pytest.mark.parametrize("network", ["tcp", "udp", "kcp"])
def test_no_cycle_is_left_of_dials(serve, cycles, network):
    engine = serve(Echo(), f"{network}://127.0.0.1:0")
    caller = Caller()
    with Client(caller) as client:
        for _ in range(TIMES):
            client.dial(engine.addresses[0])
        for _ in range(TIMES):
            assert caller.ended.acquire(timeout=30)
        assert cycles() == []
