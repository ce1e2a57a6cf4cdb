"""The real world, kept out of a simulated one: what the standard library offers is the host's while it runs.

Modules of the standard library have other functions and classes as long as a world runs, on its thread; for
others they do what they always do. So a handler that looks at ``time.monotonic``, or a program of asyncio
that makes sockets, runs unchanged. What cannot be simulated, such as a thread, raises an error that names the
line, and ends the run. Code that has taken a function out of its module before (``from time import sleep``)
is out of reach.
"""

from __future__ import annotations

import logging
import os
import random
import select
import selectors
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from netcore.aio.selector import PollerSelector
from netcore.testing.simulation import current
from netcore.testing.simulation.coroutines.stand_ins import Make
from netcore.testing.simulation.coroutines.stand_ins import stand_ins as coroutine_stand_ins
from netcore.testing.simulation.net.descriptors import FIRST_DESCRIPTOR
from netcore.testing.simulation.net.kernel import Kernel
from netcore.testing.simulation.net.names import Names
from netcore.testing.simulation.net.numbers import BY_NUMBER
from netcore.testing.simulation.net.sockets import SimulatedSocket, dup, fromfd, socketpair
from netcore.testing.simulation.poller import SimulatedPoller
from netcore.testing.simulation.socket_files import FUNCTIONS

if TYPE_CHECKING:
    from netcore.testing.simulation.scheduler import Scheduler

__all__ = ["Outside", "culprit"]

_COUNTS = ("cpu_count", "process_cpu_count")
_PROCESSES = ("fork", "forkpty", "posix_spawn", "system")
_SELECTORS = ("DefaultSelector", "SelectSelector", "PollSelector", "EpollSelector", "KqueueSelector")

_CPUS = 2
"""How many a program finds, wherever the simulation runs."""

_HERE = os.path.dirname(os.path.abspath(__file__))
_LIBRARY = os.path.dirname(os.path.abspath(os.__file__))


def culprit(frame: FrameType | None) -> str:
    """Returns where the code of a simulated host is that has called into this package or the library."""
    while frame is not None and _is_inner(frame.f_code):
        frame = frame.f_back
    if frame is None:
        return "somewhere"
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def _is_inner(code: CodeType) -> bool:
    name = code.co_filename
    if name.startswith((_HERE, "<frozen")):
        return True
    return name.startswith(_LIBRARY) and "site-packages" not in name and "dist-packages" not in name


class _World(Protocol):
    """What is reached instead."""

    scheduler: Scheduler
    names: Names
    inside: bool

    def monotonic(self) -> float: ...

    def wall_time(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...

    def forbid(self, what: str) -> NoReturn: ...


class Outside:
    """Replaces what code of hosts must not reach, for as long as the world runs. A context manager.

    Args:
        world: What is to be reached instead.
    """

    def __init__(self, world: _World) -> None:
        self._world = world
        self._depth = 0
        self._thread = threading.get_ident()
        self._kept: list[tuple[Any, str, Any]] = []
        self._random_state: object = None
        self._complaints: object = None
        self._replacements = list(_replacements(world, self._thread))

    def __enter__(self) -> None:
        self._depth += 1
        if self._depth > 1:
            return
        for owner, name, make in self._replacements:
            before = getattr(owner, name)
            self._kept.append((owner, name, before))
            setattr(owner, name, make(before))
        self._swap_complaints()
        outer = random.getstate()
        if self._random_state is None:
            random.seed(self._world.scheduler.random.getrandbits(64))
        else:
            random.setstate(self._random_state)  # type: ignore[arg-type]
        self._random_state = outer

    def _swap_complaints(self) -> None:
        """Has what was logged a moment ago be the world's, by its time, or the process's."""
        kept = vars(logging.getLogger("netcore"))
        self._complaints, complaints = kept.pop("complaints", None), self._complaints
        if complaints is not None:
            kept["complaints"] = complaints

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth:
            return
        self._swap_complaints()
        inner = random.getstate()
        random.setstate(self._random_state)  # type: ignore[arg-type]
        self._random_state = inner
        while self._kept:
            owner, name, before = self._kept.pop()
            setattr(owner, name, before)


def _replacements(world: _World, thread: int) -> list[tuple[Any, str, Make]]:
    """Lists what is replaced: where, its name, and what makes the stand-in of what was there."""

    def here(stand_in: Callable[..., Any]) -> Make:
        """On the world's thread the stand-in, on others what was there."""

        def make(before: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **named: Any) -> Any:
                if threading.get_ident() == thread:
                    return stand_in(*args, **named)
                return before(*args, **named)

            return call

        return make

    def forbidden(what: str) -> Make:
        def make(before: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **named: Any) -> Any:
                if threading.get_ident() == thread:
                    world.forbid(what)
                return before(*args, **named)

            return call

        return make

    clock, wall = world.monotonic, world.wall_time

    def nanoseconds(seconds: Callable[[], float]) -> Callable[[], int]:
        return lambda: round(seconds() * 1e9)

    def urandom(size: int) -> bytes:
        return world.scheduler.random.randbytes(size)

    found: list[tuple[Any, str, Make]] = [
        (time, "monotonic", here(clock)),
        (time, "monotonic_ns", here(nanoseconds(clock))),
        (time, "perf_counter", here(clock)),
        (time, "perf_counter_ns", here(nanoseconds(clock))),
        (time, "time", here(wall)),
        (time, "time_ns", here(nanoseconds(wall))),
        (time, "sleep", here(world.sleep)),
        (os, "urandom", here(urandom)),
        (random, "_urandom", here(urandom)),
        (random.Random, "seed", _seeded(world, thread)),
        (random, "seed", lambda before: before.__self__.seed),
        (tempfile, "_name_sequence", lambda before: None),  # a new one, which has not given names yet
        (threading.Thread, "start", forbidden("starting a thread")),
        (threading.Condition, "wait", _blocking(world, thread)),
        (subprocess.Popen, "__init__", forbidden("starting a process")),
        (select, "select", forbidden("select.select")),
    ]
    found += [(os, name, forbidden(f"os.{name}")) for name in _PROCESSES if hasattr(os, name)]
    found += [
        (selectors, name, here(partial(_selector, world, name)))
        for name in _SELECTORS
        if hasattr(selectors, name)
    ]
    found += [(owner, name, partial(_by_number, thread, stand_in)) for owner, name, stand_in in BY_NUMBER]
    found += [(os, name, _knowing_files(make, thread)) for name, make in FUNCTIONS.items()]
    found += [(os, name, here(lambda: _CPUS)) for name in _COUNTS if hasattr(os, name)]
    found += coroutine_stand_ins(thread)
    functions = {name: getattr(world.names, name) for name in Names.FUNCTIONS}
    functions |= {"dup": dup, "fromfd": fromfd, "socketpair": socketpair}
    found += [(socket, name, here(each)) for name, each in functions.items() if hasattr(socket, name)]
    found.append((socket, "socket", partial(_socket_class, thread)))
    return found


def _knowing_files(make: Make, thread: int) -> Make:
    """On the world's thread a function that knows its files, on others what was there."""

    def made(before: Callable[..., Any]) -> Callable[..., Any]:
        knowing = make(before)

        def call(*args: Any, **named: Any) -> Any:
            chosen = knowing if threading.get_ident() == thread else before
            return chosen(*args, **named)

        return call

    return made


def _seeded(world: _World, thread: int) -> Make:
    """Seeds from the world's randomness what is not seeded with anything."""

    def make(before: Callable[..., None]) -> Callable[..., None]:
        def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
            if a is None and threading.get_ident() == thread:
                a = world.scheduler.random.getrandbits(64)
            before(self, a, version)

        return seed

    return make


def _selector(world: _World, name: str) -> PollerSelector:
    """Makes a selector over the host's sockets, for the test's own code: a handler has a loop for that."""
    if world.inside:
        world.forbid(f"a selector of the standard library, {name}")
    kernel = current.kernel()
    assert isinstance(kernel, Kernel)
    return PollerSelector(SimulatedPoller(kernel))


def _by_number(thread: int, stand_in: Callable[..., Any], before: Callable[..., Any]) -> Callable[..., Any]:
    """Makes what does something with a simulated descriptor, and with others what it always did."""

    def call(fd: Any, *args: Any, **named: Any) -> Any:
        if threading.get_ident() == thread and isinstance(fd, int) and fd >= FIRST_DESCRIPTOR:
            return stand_in(fd, *args, **named)
        return before(fd, *args, **named)

    return call


def _socket_class(thread: int, before: type) -> type:
    """Makes a class of sockets that are simulated on the world's thread, and real ones on others."""

    class Both(type):
        def __call__(cls, *args: Any, **named: Any) -> Any:
            if cls is made and threading.get_ident() != thread:
                return before(*args, **named)
            return super().__call__(*args, **named)

        def __instancecheck__(cls, instance: object) -> bool:
            return super().__instancecheck__(instance) or (cls is made and isinstance(instance, kinds))

        def __subclasscheck__(cls, kind: type) -> bool:  # that of an earlier run, say
            return super().__subclasscheck__(kind) or (cls is made and issubclass(kind, kinds))

    kinds = (SimulatedSocket, before)
    made = Both("socket", (SimulatedSocket,), {"__slots__": (), "__module__": "socket"})
    return made


def _blocking(world: _World, thread: int) -> Make:
    """A wait for another thread, which there is none of, unless it has a reason to be over at once."""

    def make(before: Callable[..., Any]) -> Callable[..., Any]:
        def wait(self: Any, timeout: float | None = None) -> Any:
            if threading.get_ident() == thread and timeout != 0 and world.inside:
                world.forbid("waiting for another thread")
            return before(self, timeout)

        return wait

    return make
