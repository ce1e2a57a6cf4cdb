"""The functions of the standard library that tell the time, as those of the host whose code runs."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["clock_functions"]


class _World(Protocol):
    """What knows the time."""

    def monotonic(self) -> float: ...

    def wall_time(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


def clock_functions(world: _World) -> list[tuple[Any, str, Callable[..., Any]]]:
    """Lists what is to be called instead of them: modules, names, functions.

    Args:
        world: Whose time they tell.
    """
    clock, wall = world.monotonic, world.wall_time
    clocks: dict[int, Callable[[], float]] = {
        getattr(time, name): told
        for name, told in (
            ("CLOCK_REALTIME", wall),
            ("CLOCK_TAI", wall),
            ("CLOCK_MONOTONIC", clock),
            ("CLOCK_MONOTONIC_RAW", clock),
            ("CLOCK_BOOTTIME", clock),
            ("CLOCK_UPTIME", clock),
            ("CLOCK_UPTIME_RAW", clock),
            ("CLOCK_PROCESS_CPUTIME_ID", _none),
            ("CLOCK_THREAD_CPUTIME_ID", _none),
        )
        if hasattr(time, name)
    }
    get_time = getattr(time, "clock_gettime", None)

    def clock_gettime(which: int) -> float:
        told = clocks.get(which)
        return told() if told is not None else get_time(which)  # type: ignore[misc]

    found: list[tuple[Any, str, Callable[..., Any]]] = [
        (time, "sleep", world.sleep),
        (threading, "_time", clock),
        (queue, "time", clock),
    ]
    readings: dict[str, Callable[..., float]] = {
        "monotonic": clock,
        "perf_counter": clock,
        "time": wall,
        "process_time": _none,
        "thread_time": _none,
        "clock_gettime": clock_gettime,
    }
    for name, told in readings.items():
        if hasattr(time, name):
            found.append((time, name, told))
            found.append((time, f"{name}_ns", _nanoseconds(told)))
    found += [(time, name, _of_now(getattr(time, name), wall)) for name in ("ctime", "gmtime", "localtime")]
    found.append((time, "asctime", _of_today(time.asctime, time.localtime, wall, 0)))
    found.append((time, "strftime", _of_today(time.strftime, time.localtime, wall, 1)))
    return found


def _none() -> float:
    """Tells how much time the processor has spent: code takes none."""
    return 0.0


def _nanoseconds(seconds: Callable[..., float]) -> Callable[..., int]:
    return lambda *args: round(seconds(*args) * 1e9)


def _of_now(convert: Callable[[float], Any], wall: Callable[[], float]) -> Callable[..., Any]:
    """Has a function convert the time of the host if it is given none."""
    return lambda secs=None: convert(wall() if secs is None else secs)


def _of_today(
    write: Callable[..., Any], convert: Callable[[float], Any], wall: Callable[[], float], others: int
) -> Callable[..., Any]:
    """Has a function write the time of the host if it is given none after so many other arguments."""
    return lambda *args: write(*args, convert(wall())) if len(args) == others else write(*args)
