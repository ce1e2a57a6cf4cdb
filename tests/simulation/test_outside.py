"""What code in a world finds of the standard library, and that nothing of it stays."""

from __future__ import annotations

import _thread
import asyncio
import multiprocessing
import os
import queue
import random
import select
import selectors
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

import netcore
from netcore import Action, Conn, EventHandler
from netcore.supervisor import Supervisor
from netcore.testing import Simulation, SimulationError, SimulationStuck

_MODULES = (asyncio, asyncio.tasks, os, queue, random, select, selectors, signal, socket, ssl, subprocess)
_OWNERS = (*_MODULES, threading, _thread, time, threading.Thread, threading.Condition, random.Random)
_MORE = (subprocess.Popen, socket.socket, ssl.SSLContext)

_RealSocket = socket.socket


class Doing(EventHandler):
    """Does something for each connection."""

    def __init__(self, what: Callable[[], object]) -> None:
        self.what = what
        self.done: list[object] = []

    def on_open(self, conn: Conn) -> Action | None:
        self.done.append(self.what())
        return None


def do_in_an_event(what: Callable[[], object], seed: int = 0) -> object:
    with Simulation(seed) as simulation:
        doing = Doing(what)
        simulation.host("server").engine(doing, "tcp://:7000")
        simulation.host("client").dial("tcp://server:7000")
        simulation.run(until=1.0)
    return doing.done[0]


def everything() -> dict[tuple[str, str], object]:
    return {(owner.__name__, name): value for owner in _OWNERS + _MORE for name, value in vars(owner).items()}


def taken_lock() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


class OwnSocket(socket.socket):
    """Made of the real class, before there is a world."""


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (lambda: _thread.start_new_thread(print, ()), "starting a thread"),
        (lambda: multiprocessing.get_context("spawn").Process(target=print).start(), "starting a process"),
        (lambda: taken_lock().acquire(timeout=1), "waiting for a lock that is taken"),
        (lambda: taken_lock().acquire(), "waiting for a lock that is taken"),
        (lambda: threading.Event().wait(1), "waiting for another thread"),
        (lambda: queue.Queue[int]().get(timeout=1), "waiting for another thread"),
        (lambda: queue.SimpleQueue[int]().get(timeout=1), "waiting for another thread"),
        (lambda: select.select([], [], [], 1), r"select\.select .* blocks"),
        (_RealSocket, "a real socket"),
        (OwnSocket, "a real socket"),
        (lambda: ssl.create_default_context().wrap_socket(socket.socket()), "TLS that is not over memory"),
        pytest.param(
            lambda: select.poll().poll(10),
            r"select\.poll .* blocks",
            marks=pytest.mark.skipif(not hasattr(select, "poll"), reason="there is none"),
        ),
        pytest.param(
            lambda: signal.pause(),
            r"signal\.pause",
            marks=pytest.mark.skipif(not hasattr(signal, "pause"), reason="there is none"),
        ),
    ],
)
def test_what_reaches_the_real_world_or_stops_this_one_names_its_line(
    what: Callable[[], object], why: str
) -> None:
    before = everything()
    with pytest.raises(SimulationError, match=rf"{why}.* on host 'server': .*test_outside\.py:\d+ in "):
        do_in_an_event(what)

    after = everything()
    assert {name for name in before if after[name] is not before[name]} == set()


@pytest.mark.parametrize("error", [KeyboardInterrupt("now"), pytest.fail.Exception("now")])
def test_what_interrupts_a_callback_interrupts_the_run(error: BaseException) -> None:
    def interrupted() -> None:
        raise error

    with pytest.raises(type(error), match="now"):
        do_in_an_event(interrupted)


def test_an_exit_ends_the_engine_alone() -> None:
    class Leaving(EventHandler):
        def on_open(self, conn: Conn) -> Action | None:
            sys.exit(3)

    with Simulation() as simulation:
        engine = simulation.host("server").engine(Leaving(), "tcp://:7000")
        simulation.host("client").dial("tcp://server:7000")
        simulation.run(until=1.0)
        assert isinstance(engine.ended_by, SystemExit)
        assert not engine.running


def test_all_functions_of_time_tell_that_of_the_host() -> None:
    def times() -> list[Any]:
        return [
            time.clock_gettime(time.CLOCK_MONOTONIC) - time.monotonic(),
            time.clock_gettime_ns(time.CLOCK_REALTIME) - time.time_ns(),
            time.gmtime()[:6],
            time.gmtime(0)[:6],
            time.localtime() == time.localtime(time.time()),
            time.ctime() == time.ctime(time.time()),
            time.asctime() == time.ctime(),
            time.strftime("%Y") == time.strftime("%Y", time.localtime(time.time())),
            time.process_time(),
            time.thread_time_ns(),
        ]

    assert do_in_an_event(times) == [
        0.0,
        0,
        (2000, 1, 1, 0, 0, 0),
        (1970, 1, 1, 0, 0, 0),
        True,
        True,
        True,
        True,
        0.0,
        0,
    ]


def test_whatever_is_random_goes_by_the_seed() -> None:
    def draw() -> list[Any]:
        random.seed()
        return [random.random(), random.Random().random(), random.SystemRandom().random(), os.urandom(4)]

    assert do_in_an_event(draw, 1) == do_in_an_event(draw, 1) != do_in_an_event(draw, 2)


def test_other_threads_draw_no_numbers_of_the_world() -> None:
    """What they draw goes on where it was, and the world does not notice."""

    def draw() -> float:
        drawing = _thread_that_draws
        if drawing is not None:
            drawing.asked.set()
            drawing.answered.wait()
        return random.random()

    class Drawing(threading.Thread):
        def __init__(self) -> None:
            super().__init__(daemon=True)
            self.asked, self.answered, self.drawn = threading.Event(), _Flag(), 0.0

        def run(self) -> None:
            self.asked.wait()
            self.drawn = random.random()
            self.answered.set()

    _thread_that_draws: Drawing | None = None
    alone = do_in_an_event(draw)
    random.seed(7)
    expected = [random.random(), random.random()]
    _thread_that_draws = Drawing()
    _thread_that_draws.start()
    random.seed(7)

    assert do_in_an_event(draw) == alone
    _thread_that_draws.join()
    assert [_thread_that_draws.drawn, random.random()] == expected


class _Flag:
    """Waits by a real lock, which a world does not know."""

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._lock.acquire()

    def set(self) -> None:
        self._lock.release()

    def wait(self) -> None:
        self._lock.acquire()


def test_locks_and_queues_wait_in_virtual_time_outside_of_events() -> None:
    with Simulation() as simulation, simulation.host("client"):
        began = time.monotonic()
        assert not taken_lock().acquire(timeout=100)
        assert not threading.Event().wait(200)
        with pytest.raises(queue.Empty):
            queue.Queue[int]().get(timeout=300)
        assert time.monotonic() - began == pytest.approx(600)

        event = threading.Event()
        simulation.call_later(50, event.set)
        assert event.wait()
        assert simulation.now == pytest.approx(650)


def test_a_lock_of_a_world_is_an_ordinary_one_after_it() -> None:
    with Simulation() as simulation, simulation.host("client"):
        lock = threading.Lock()
    with lock:
        assert lock.locked()
        assert not lock.acquire(timeout=0.001)
    assert lock.acquire()


def test_select_and_poll_wait_for_simulated_sockets() -> None:
    with Simulation() as simulation, simulation.host("client"):
        simulation.host("server").engine(EventHandler(), "tcp://:7000")
        with socket.create_connection(("server", 7000)) as sock:
            assert select.select([sock], [sock], [sock], 10) == ([], [sock], [])
            began = simulation.now
            assert select.select([sock], [], [], 10) == ([], [], [])
            assert simulation.now == pytest.approx(began + 10)
            simulation.call_later(5, simulation.host("server").restart)
            if hasattr(select, "poll"):
                poll = select.poll()
                poll.register(sock, select.POLLIN)
                assert poll.poll(1000) == []
                poll.modify(sock, select.POLLOUT)
                assert poll.poll() == [(sock.fileno(), select.POLLOUT)]
                poll.unregister(sock)
                assert poll.poll(0) == []


def test_only_one_thread_at_a_time_runs_a_world() -> None:
    before = everything()
    refused: list[BaseException] = []

    def run_another() -> None:
        try:
            Simulation(2).run(until=1)
        except SimulationError as error:
            refused.append(error)

    with Simulation(1) as simulation, simulation.host("client"):
        other = _Flag()
        _thread_start(run_another, other)
        other.wait()
    assert "another thread" in str(refused[0])
    assert everything() == before

    _thread_start(run_another, other)
    other.wait()
    assert len(refused) == 1


_start = _thread.start_new_thread


def _thread_start(what: Callable[[], object], done: _Flag) -> None:
    def run() -> None:
        what()
        done.set()

    _start(run, ())


@pytest.mark.parametrize(
    ("name", "serve"),
    [
        ("netcore.run", lambda: netcore.run(EventHandler(), "tcp://:7000")),
        pytest.param(
            "Supervisor.run",
            lambda: Supervisor("module:Handler", "tcp://:7000").run(),
            marks=pytest.mark.posix,
        ),
    ],
)
def test_what_serves_until_a_signal_comes_says_what_to_use_instead(
    name: str, serve: Callable[[], None]
) -> None:
    refusal = rf"{name} cannot be simulated on host '\w+': \S+test_outside\.py:\d+ in \S+; use Host\.engine$"
    with Simulation() as simulation, simulation.host("a"), pytest.raises(SimulationError, match=refusal):
        serve()
    with pytest.raises(SimulationError, match=refusal):
        do_in_an_event(serve)


@pytest.mark.parametrize(
    "wait",
    [lambda: Future[int]().result(), lambda: threading.Event().wait(), lambda: queue.Queue[int]().get()],
)
def test_a_wait_that_never_ends_names_its_line(wait: Callable[[], object]) -> None:
    line = wait.__code__.co_firstlineno
    why = rf"nothing is left to happen for \S+test_outside\.py:{line} in <lambda>, at 0\."
    with Simulation() as simulation, simulation.host("a"), pytest.raises(SimulationStuck, match=why):
        wait()


def test_loops_of_asyncio_run_in_a_block_of_a_host() -> None:
    async def main() -> int:
        await asyncio.sleep(3600)
        return 5

    with Simulation() as simulation, simulation.host("a"):
        assert asyncio.run(main()) == 5
        assert simulation.now == 3600
