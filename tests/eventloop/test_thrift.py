"""Memory of a burst is given back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from netcore._platform import return_freed_memory
from netcore.connection import Limits
from netcore.eventloop import thrift
from netcore.eventloop.thrift import Thrift


class Plan:
    """Takes the place of a loop's ``schedule``, and of what gives the memory back."""

    def __init__(self) -> None:
        self.planned: list[tuple[float, object]] = []
        self.times = 0
        self.done = threading.Event()

    def schedule(self, delay, function):
        self.planned.append((delay, function))

    def give_back(self):
        self.times += 1
        self.done.set()


@pytest.fixture
def plan(monkeypatch):
    monkeypatch.setattr(thrift, "_last", float("-inf"))
    return Plan()


def test_little_is_not_worth_it(plan):
    thrift = Thrift(plan.schedule, plan.give_back)
    thrift.freed((8 << 20) - 1)
    thrift.finish()
    assert plan.planned == []
    assert plan.times == 0


def test_much_is_given_back_once_some_time_later(plan):
    thrift = Thrift(plan.schedule, plan.give_back)
    for _ in range(100):
        thrift.freed(1 << 20)
    ((delay, act),) = plan.planned
    assert delay > 0
    act()
    assert plan.done.wait(30)
    assert plan.times == 1


def test_it_is_not_done_again_at_once(plan):
    one, other = (Thrift(plan.schedule, plan.give_back) for _ in range(2))
    one.freed(10 << 20)
    other.freed(10 << 20)
    plan.planned.pop(0)[1]()
    assert plan.done.wait(30)
    plan.planned.pop(0)[1]()
    assert plan.times == 1
    ((delay, _),) = plan.planned
    assert 0 < delay <= 5


def test_no_thread_no_harm(plan, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    thrift = Thrift(plan.schedule, plan.give_back)
    thrift.freed(10 << 20)
    plan.planned[0][1]()


def test_a_platform_without_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ctypes", None)
    assert return_freed_memory() is False


def test_connections_tell_what_they_let_go_of(world, plan):
    w = world(limits=Limits(max_outbound=9 << 20), on_traffic=lambda conn: None)
    freed = []
    w.loop._thrift = Thrift(plan.schedule, plan.give_back)
    w.loop._thrift.freed = freed.append
    drained, cut_off, unread = w.connect(), w.connect(), w.connect()
    for conn in (drained, cut_off):
        w.sockets.block(conn.fd)
        conn.write(bytes(4 << 20))
    w.feed(unread, bytes(60_000))
    w.turns()
    assert sum(freed) == 0
    w.sockets.unblock(drained.fd)
    w.turns(100)
    cut_off.write(bytes(6 << 20))
    unread.close()
    w.turns(3)
    assert sum(freed) >= (4 << 20) + (9 << 20) + 60_000


PROGRAM = """
import netcore, os, socket, threading, time
PIECES = 12_000
class Generous(netcore.EventHandler):
    def on_open(self, conn):
        for _ in range(PIECES):
            conn.write(os.urandom(10) * 100)
        full.release()
    def on_close(self, conn, error):
        empty.release()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
full, empty = threading.Semaphore(0), threading.Semaphore(0)
engine = netcore.Engine(Generous(), "tcp://127.0.0.1:0", num_event_loops=2)
engine.start()
before = resident()
socks = [socket.create_connection(("127.0.0.1", engine.addresses[0].port)) for _ in range(10)]
for _ in socks:
    full.acquire()
peak = resident()
for sock in socks:
    sock.close()
for _ in socks:
    empty.acquire()
gone = resident()
deadline = time.monotonic() + 30
while resident() - before > (peak - before) / 4 and time.monotonic() < deadline:
    time.sleep(0.1)
print(before >> 20, peak >> 20, gone >> 20, resident() >> 20)
assert resident() - before <= (peak - before) / 4
engine.stop(5)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="it is /proc that tells")
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
@pytest.mark.skipif(sys.implementation.name != "cpython", reason="the collector says when memory goes back")
def test_the_process_shrinks_when_a_burst_is_over():
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, cwd=sys.prefix)
    assert done.returncode == 0, done.stdout + done.stderr
