"""How long a poller must wait, and what ends its waits."""

from __future__ import annotations

import decimal
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, Final

from netcore.poll import Interest, Readiness
from netcore.testing.conformance.poller_bench import PollerBench
from netcore.testing.conformance.rules import expect_raises, require
from netcore.testing.conformance.surroundings import Surroundings

__all__ = ["KERNEL_WAITING_RULES", "WAITING_RULES", "looks_without_waiting"]

_READABLE = int(Readiness.READABLE)

_SHORT: Final = 0.0004
"""Seconds; a poller that rounds to milliseconds must round this up."""

_A_WHILE: Final = 0.03
"""Seconds after which another thread acts. Long enough to count the turns of a spinning poller."""

_kill: Final[Callable[[int, int], None] | None] = getattr(signal, "pthread_kill", None)
_SIGNAL: Final = getattr(signal, "SIGUSR1", signal.SIGINT)

_WAKES: Final = 1000
_RESTS: Final = 3
"""Waits in a row that last, before a poller counts as at rest: on a busy machine any call may last once."""

_TURNS: Final = 100
"""Turns that a poller may take for nothing, spuriously, where it should take one."""

_ENOUGH: Final = 10 * _TURNS
"""Turns after which no more are taken: where time is virtual, it stands still for who does not wait."""


def looks_without_waiting(bench: PollerBench) -> None:
    """Requires that a timeout of zero does not block."""
    with bench.watchdog() as dog:
        for _ in range(3):
            bench.look(0)
    require(not dog.barked, "wait(0) blocks.")


def _short_timeouts_do_not_spin(bench: PollerBench) -> None:
    turns = 0
    rounds = 20
    for _ in range(rounds):
        turns += _turns_of_a_wait(bench, _SHORT)
    sentence = f"waits of {_SHORT * 1e3:g} ms return early: it takes {turns} turns to wait {rounds} times."
    require(turns <= 10 * rounds, sentence)


def _turns_of_a_wait(bench: PollerBench, seconds: float) -> int:
    """Waits so long and no longer; returns how often that had to be begun, or that it was far too often."""
    turns = 0
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and turns < _ENOUGH:
        bench.look(left)
        turns += 1
    return turns


def _blocks_until_the_time_is_over(bench: PollerBench) -> None:
    turns = _turns_of_a_wait(bench, _A_WHILE)
    require(turns <= _TURNS, f"waits return early: it takes {turns} turns to wait {_A_WHILE * 1e3:g} ms.")


def _wake_ends_a_wait_without_limit(bench: PollerBench) -> None:
    barked, turns = _wait_for_a_wake(bench, None)
    require(not barked, "wake() from another thread does not end wait(None).")
    require(turns <= _TURNS, "wait(None) returns though nothing is ready and nobody has called wake().")


def _wake_ends_a_wait_with_a_limit(bench: PollerBench) -> None:
    barked, turns = _wait_for_a_wake(bench, 3600)
    require(not barked, "wake() from another thread does not end wait(3600).")
    require(turns <= _TURNS, "wait(3600) returns though nothing is ready and nobody has called wake().")


def _wait_for_a_wake(bench: PollerBench, timeout: float | None) -> tuple[bool, int]:
    """Waits until another thread has called ``wake``; returns whether the watchdog barked, and the turns."""
    woken = threading.Event()

    def wake() -> None:
        woken.set()
        bench.poller.wake()

    with bench.watchdog() as dog:
        other = bench.surroundings.beside(_A_WHILE, wake)
        turns = 0
        while not woken.is_set() and turns <= _TURNS:
            bench.look(timeout)
            turns += 1
        other.join()
    return dog.barked, turns


def _wake_before_a_wait_is_not_lost(bench: PollerBench) -> None:
    with bench.watchdog() as dog:
        for _ in range(3):
            bench.poller.wake()
            bench.look(None)
            require(not dog.barked, "wake() before wait() is lost: the wait does not end.")


def _wake_hides_no_readiness(bench: PollerBench) -> None:
    wire = bench.open()
    bench.register(wire, Interest.READ)
    for _ in range(3):
        wire.make_readable()
        bench.poller.wake()
        bench.until(wire, _READABLE, "a wake() hides that a descriptor is readable.")
        wire.drain()


def _many_wakes_come_to_rest(bench: PollerBench) -> None:
    with bench.watchdog() as dog:
        for _ in range(_WAKES):
            bench.poller.wake()
        bench.look(None)
        require(not dog.barked, f"after {_WAKES} wakes the wait does not end.")
        rests = 0
        for _ in range(_WAKES + _TURNS):
            start = time.monotonic()
            bench.look(_A_WHILE)
            rests = rests + 1 if time.monotonic() - start >= _A_WHILE / 2 else 0
            if rests == _RESTS:
                return
    raise AssertionError(f"after {_WAKES} wakes the poller never comes to rest.")


def _several_threads_may_wake(bench: PollerBench) -> None:
    failures: list[Exception] = []
    finished: list[int] = []

    def wake(number: int) -> None:
        try:
            for _ in range(_WAKES // 4):
                bench.poller.wake()
            finished.append(number)
            bench.poller.wake()
        except Exception as error:
            failures.append(error)
            finished.append(number)

    with bench.watchdog() as dog:
        threads = [bench.surroundings.beside(0, partial(wake, number)) for number in range(4)]
        while len(finished) < len(threads) and not dog.barked:
            bench.look(None if not failures else 0)
        for thread in threads:
            thread.join()
    require(not failures, f"wake() from several threads raises {failures[:1]!r}.")
    require(not dog.barked, "of wakes from several threads one is lost: the wait does not end.")


def _close_is_final(bench: PollerBench) -> None:
    wire, other = bench.open(), bench.open()
    poller = bench.poller
    poller.register(wire.fd, Interest.READ)
    poller.close()
    poller.close()
    expect_raises(ValueError, lambda: poller.register(other.fd, Interest.READ), "register() after close()")
    expect_raises(ValueError, lambda: poller.modify(wire.fd, Interest.WRITE), "modify() after close()")
    expect_raises(ValueError, lambda: poller.unregister(wire.fd), "unregister() after close()")
    expect_raises(ValueError, lambda: poller.wait(0), "wait() after close()")
    expect_raises(ValueError, poller.wake, "wake() after close()")
    try:
        wire.make_readable()
        wire.drain()
    except OSError as error:
        raise AssertionError(f"close() closes the registered descriptors too: {error}.") from error


def _a_signal_ends_a_wait(bench: PollerBench) -> None:
    if _kill is None or not bench.surroundings.signals:
        return  # Windows interrupts nothing
    with bench.watchdog() as dog, _signals(bench.surroundings) as handled:
        turns = 0
        while not handled and turns <= _TURNS:
            bench.look(None)
            turns += 1
        require(not dog.barked, "a signal does not end wait(None).")
        require(handled, "wait(None) returns though nothing is ready and no signal has come.")


@contextmanager
def _signals(around: Surroundings) -> Iterator[list[int]]:
    """Sends signals to the main thread, one every while; the handler notes them in the list.

    Repeated, since one that comes just before the wait does not end it. Not by an interval timer: test
    runners use that one for their time-outs.
    """
    handled: list[int] = []
    main = threading.main_thread().ident

    def note(number: int, frame: FrameType | None) -> None:
        handled.append(number)

    def send() -> bool:
        if _kill is not None and main is not None:
            _kill(main, _SIGNAL)
        return True

    former = signal.signal(_SIGNAL, note)
    sender = around.beside(_A_WHILE, send)
    try:
        yield handled
    finally:
        sender.cancel()
        sender.join()
        signal.signal(_SIGNAL, former)


def _refuses_what_is_no_duration(bench: PollerBench) -> None:
    odd: tuple[tuple[type[Exception], Any], ...] = (
        (ValueError, math.nan),
        (TypeError, decimal.Decimal("0.001")),
        (TypeError, "0.001"),
    )
    with bench.watchdog():  # for a poller that takes it, and waits
        for kind, timeout in odd:
            expect_raises(kind, partial(bench.look, timeout), f"wait({timeout!r})")
        bench.look(0)


WAITING_RULES: Final[tuple[Callable[[PollerBench], None], ...]] = (
    _short_timeouts_do_not_spin,
    _blocks_until_the_time_is_over,
    _wake_ends_a_wait_without_limit,
    _wake_ends_a_wait_with_a_limit,
    _wake_before_a_wait_is_not_lost,
    _wake_hides_no_readiness,
    _many_wakes_come_to_rest,
    _several_threads_may_wake,
    _refuses_what_is_no_duration,
    _close_is_final,
)
"""For every poller."""

KERNEL_WAITING_RULES: Final[tuple[Callable[[PollerBench], None], ...]] = (_a_signal_ends_a_wait,)
"""For pollers that wait in the kernel."""
