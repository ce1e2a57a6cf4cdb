"""A turn that takes too long is told once, while it does, and again when it is over."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time

import pytest

from netcore import Engine, EventHandler, OptionsError
from netcore.aio import AsyncHandler
from netcore.connection import Counters
from netcore.engine.watchdog import Watchdog
from netcore.testing import ManualClock

PATIENCE = 30

BLOCKS = "Blocks." if sys.version_info >= (3, 11) else ""
"""Code objects know their qualified names from there on."""


class Loop:
    """A loop as the watchdog sees it."""

    thread_id = None

    def __init__(self, index=0):
        self.index = index
        self.counters = Counters()
        self.turn = None

    def present_turn(self):
        return self.turn


class Bench:
    """A watchdog of one second that is made to look by hand."""

    def __init__(self, loops=1):
        self.clock, self.cpu = ManualClock(), ManualClock()
        self.loops = [Loop(i) for i in range(loops)]
        self.dog = Watchdog(self.loops, 1.0, logging.getLogger("netcore"), self.clock, self.cpu)

    def look(self, *turns, away=None, computed=0.0):
        self.clock.advance(self.dog.interval if away is None else away)
        self.cpu.advance(computed)
        for loop, turn in zip(self.loops, turns, strict=True):
            loop.turn = turn
        self.dog.look()

    @property
    def hangs(self):
        return [loop.counters.hangs for loop in self.loops]


@pytest.fixture
def bench():
    return Bench()


def lines(caplog, *levels):
    return [r.getMessage() for r in caplog.records if not levels or r.levelno in levels]


def test_it_is_told_once(bench, caplog):
    for seconds in (0.0, 0.5, 1.0):
        bench.look((7, seconds))
    assert not caplog.records
    bench.look((7, 1.01))
    for seconds in (1.2, 5.0, 60.0):
        bench.look((7, seconds))
    (line,) = lines(caplog, logging.ERROR)
    assert re.fullmatch(r"loop 0 is in .*: its turn takes 1\.01 s already, and may take 1", line)
    assert bench.hangs == [1]


@pytest.mark.parametrize("after", [None, (8, 0.0), (8, 0.1)], ids=["waits", "next", "next, seen by others"])
def test_its_end_is_told(bench, caplog, after):
    bench.look((7, 0.0))
    bench.look((7, 2.0))
    bench.look(after, away=1.5)
    assert re.search(r"goes on: the turn that was in .* took about 3\.5 s", lines(caplog, logging.WARNING)[0])
    bench.look(after)
    assert len(caplog.records) == 2
    assert bench.hangs == [1]


def test_the_next_may_hang_as_well(bench, caplog):
    bench.look((7, 2.0))
    bench.look((8, 0.0))
    bench.look((8, 2.0))
    bench.look((9, 2.0))
    assert [r.levelno for r in caplog.records] == [
        *(logging.ERROR, logging.WARNING, logging.ERROR, logging.WARNING, logging.ERROR)
    ]
    assert bench.hangs == [3]


def test_each_loop_is_told_of(caplog):
    bench = Bench(3)
    bench.look((7, 2.0), None, (7, 2.0))
    assert bench.hangs == [1, 0, 1]
    assert [line.split(" is ")[0] for line in lines(caplog)] == ["loop 0", "loop 2"]


def test_idle_and_busy_loops_are_not(bench, caplog):
    for number in range(50):
        bench.look(None)
        bench.look((number, 0.0), away=3600)
    assert not caplog.records and bench.hangs == [0]


def test_who_keeps_the_watchdog_from_looking_is_told_of(bench, caplog):
    """As a regular expression does, which does not let go of the GIL."""
    bench.look(None)
    bench.look((7, 0.0), away=5.0, computed=5.0)
    assert "its turn takes 5 s already" in lines(caplog)[0]
    bench.look(None)
    assert "took about 5.12 s" in lines(caplog)[1]


def test_a_process_that_was_stopped_has_not_hung(bench, caplog):
    bench.look(None)
    bench.look((7, 0.0), away=5.0, computed=0.01)
    bench.look(None, away=3600, computed=3600)
    assert not caplog.records and bench.hangs == [0]


@pytest.mark.parametrize(("limit", "interval"), [(1.0, 0.125), (0.2, 0.025), (1e-6, 0.001), (600, 1.0)])
def test_how_often_it_looks(limit, interval):
    assert Watchdog([], limit, logging.getLogger()).interval == pytest.approx(interval)


class Blocks(EventHandler):
    """Blocks in ``on_traffic`` until it is let go."""

    def __init__(self):
        self.let_go = threading.Event()

    def on_traffic(self, conn):
        conn.read()
        assert self.let_go.wait(PATIENCE)
        conn.write(b"done")


def eventually(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def watchdogs():
    return [t for t in threading.enumerate() if t.name == "netcore-watchdog"]


@pytest.fixture(autouse=True)
def none_left():
    """Waits for the threads of earlier engines, which end right behind these and may log a line yet."""
    eventually(lambda: not watchdogs())


@pytest.mark.parametrize("poller", [None, "select"])
def test_a_callback_that_blocks(serve, dial, receive, caplog, poller):
    handler = Blocks()
    engine = serve(handler, watchdog=0.03, poller=poller, num_event_loops=2)
    sock = dial(engine)
    sock.sendall(b"x")
    eventually(lambda: engine.metrics().hangs)
    assert [loop.metrics().hangs for loop in engine.loops].count(1) == 1
    eventually(lambda: lines(caplog, logging.ERROR))
    assert f"is stuck in {BLOCKS}on_traffic (test_watchdog.py:" in lines(caplog, logging.ERROR)[0]
    record = next(r for r in caplog.records if r.levelno == logging.ERROR)
    assert "self.let_go.wait(PATIENCE)" in record.stack_info
    handler.let_go.set()
    assert receive(sock, 4) == b"done"
    eventually(lambda: lines(caplog, logging.WARNING))
    assert f"goes on: the turn that was in {BLOCKS}on_traffic" in lines(caplog, logging.WARNING)[0]
    assert engine.metrics().hangs == 1


def test_a_coroutine_that_blocks(serve, dial, receive, caplog):
    let_go = threading.Event()

    class Coroutine(AsyncHandler):
        async def serve(self, stream):
            await stream.read(1)
            assert let_go.wait(PATIENCE)
            stream.write(b"done")

    engine = serve(Coroutine(), watchdog=0.03)
    sock = dial(engine)
    sock.sendall(b"x")
    eventually(lambda: engine.metrics().hangs)
    let_go.set()
    assert receive(sock, 4) == b"done"
    eventually(lambda: lines(caplog, logging.ERROR))
    assert "serve (test_watchdog.py:" in lines(caplog, logging.ERROR)[0]


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="there is no lock to hold")
def test_a_regular_expression_that_holds_the_lock_of_the_interpreter(serve, dial, receive, caplog):
    class Searches(EventHandler):
        def on_traffic(self, conn):
            conn.read()
            re.match(r"(a+)+$", "a" * self.length + "b")
            # When the lock is free again, this thread may have it back before the watchdog has looked.
            eventually(lambda: conn.loop.metrics().hangs)
            conn.write(b"done")

    handler = Searches()
    handler.length, began = 10, time.process_time()
    while True:  # until it takes some time on this machine
        re.match(r"(a+)+$", "a" * handler.length + "b")
        took, began = time.process_time() - began, time.process_time()
        if took > 0.1:
            break
        handler.length += 1
    engine = serve(handler, watchdog=0.02)
    sock = dial(engine)
    sock.sendall(b"x")
    assert receive(sock, 4) == b"done"
    eventually(lambda: lines(caplog, logging.ERROR))
    told = lines(caplog, logging.ERROR)[0]
    assert "on_traffic (test_watchdog.py:" in told
    seconds = re.search(r"takes (\S+) s already", told)[1]
    assert float(seconds) > took / 2, "the time that it could not look does not count"


def test_neither_boot_nor_idleness_counts(serve, caplog):
    class Boots(EventHandler):
        def on_boot(self, engine):
            time.sleep(0.1)

    engine = serve(Boots(), watchdog=0.01)
    time.sleep(0.05)
    assert engine.metrics().hangs == 0
    assert not lines(caplog)


def test_its_thread_ends_with_the_engine(serve):
    engine = serve(EventHandler(), watchdog=600)
    assert len(watchdogs()) == 1 and watchdogs()[0].daemon
    assert engine.stop()
    eventually(lambda: not watchdogs())


@pytest.mark.parametrize("watchdog", [0, float("inf")])
def test_there_is_none_unasked(serve, watchdog):
    serve(EventHandler(), watchdog=watchdog)
    assert not watchdogs()


def test_an_engine_that_fails_to_start_leaves_none():
    class Fails(EventHandler):
        def on_boot(self, engine):
            raise LookupError("on purpose")

    with pytest.raises(LookupError):
        Engine(Fails(), "tcp://127.0.0.1:0", watchdog=1).start()
    eventually(lambda: not watchdogs())


def test_a_hosted_loop(caplog):
    engine = Engine(EventHandler(), "tcp://127.0.0.1:0", watchdog=0.02)
    engine.start(hosted=True)
    (loop,) = engine.loops
    with engine:
        loop.turn(0)
        time.sleep(0.05)  # the host does something else
        assert engine.metrics().hangs == 0
        loop.schedule(0, eventually, lambda: engine.metrics().hangs)
        loop.turn(1)
        assert engine.metrics().hangs == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")
def test_a_forked_child_has_none(serve):
    engine = serve(EventHandler(), watchdog=0.01)
    pid = os.fork()
    if pid == 0:
        ok = not watchdogs() and engine.stuck_for() == 0.0
        os._exit(0 if ok else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(watchdogs()) == 1


@pytest.mark.parametrize("wrong", [-1, "1", None, float("nan"), True])
def test_odd_values_are_refused(wrong):
    with pytest.raises(OptionsError, match="watchdog"):
        Engine(EventHandler(), "tcp://127.0.0.1:0", watchdog=wrong)
