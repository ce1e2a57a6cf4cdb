"""What stands on a simulated host for the parts of netcore that have threads, or wait for some."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from netcore import _machine
from netcore._latch import Latch
from netcore.connection import Retired
from netcore.eventloop import AccessLog
from netcore.eventloop.log_writer import LogWriter
from netcore.eventloop.reserve import Reserve
from netcore.testing.simulation import current

if TYPE_CHECKING:
    from netcore.testing.simulation.net.kernel import Kernel
    from netcore.testing.simulation.net.network import Ground

__all__ = [
    "HeldDescriptor",
    "Jobs",
    "PlainAccessLog",
    "PlainLogWriter",
    "Wait",
    "WorldFuture",
    "WorldLatch",
]

_T = TypeVar("_T")

Wait = Callable[[Callable[[], bool], "float | None", str], bool]
"""See ``current.wait``."""

Run = Callable[[Callable[[], object]], object]
"""Runs something as the code of a host, on a thread of its own."""

_LONGEST_JOB = 0.01
"""Virtual seconds that a job may take until it runs, and until its result is there, as the seed picks."""

_LOG = logging.getLogger("netcore")


class WorldLatch(Latch):
    """A latch for which the world goes on."""

    def __init__(self, wait: Wait) -> None:
        self._wait = wait
        self._open = False

    def open(self) -> None:
        """See ``Latch.open``."""
        self._open = True

    def wait(self, timeout: float) -> bool:
        """See ``Latch.wait``."""
        if self._open or timeout <= 0:
            return self._open
        return self._wait(lambda: self._open, timeout, "a latch")


class WorldFuture(Future[_T]):
    """A future for whose result the world goes on."""

    def __init__(self, wait: Wait) -> None:
        super().__init__()
        self._world_wait = wait

    def add_done_callback(self, fn: Callable[[Future[_T]], object]) -> None:
        """See ``concurrent.futures.Future.add_done_callback``; what is raised there goes to the log alone."""

        def call(future: Future[_T]) -> None:
            try:
                fn(future)
            except Exception as error:
                _machine.current().raised(error, getattr(fn, "__qualname__", type(fn).__name__))
                raise

        super().add_done_callback(call)

    def result(self, timeout: float | None = None) -> _T:
        """See ``concurrent.futures.Future.result``."""
        self._await(timeout)
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """See ``concurrent.futures.Future.exception``."""
        self._await(timeout)
        return super().exception(0)

    def _await(self, timeout: float | None) -> None:
        if not self.done():
            self._world_wait(self.done, timeout, "a future")


class PlainLogWriter(LogWriter):
    """Writes at once: what it writes to does not block a simulation any longer than it blocks a test."""

    __slots__ = ()

    def do(self, action: Callable[[], object]) -> None:
        """See ``LogWriter.do``."""
        action()


class PlainAccessLog(AccessLog):
    """Writes each line at once."""

    def start(self) -> None:
        """See ``AccessLog.start``."""

    def note(self, conn: Retired) -> None:
        """See ``AccessLog.note``."""
        super().note(conn)
        self._write_all()


class HeldDescriptor(Reserve):
    """Counts as an open descriptor, and has no number: that of no socket depends on it."""

    __slots__ = ("_held", "_kernel")

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self._kernel = kernel
        self._held = False

    def fill(self) -> bool:
        """See ``Reserve.fill``."""
        if not self._held:
            self._held = self._kernel.hold()
        return self._held

    def spend(self) -> bool:
        """See ``Reserve.spend``."""
        held, self._held = self._held, False
        if held:
            self._kernel.let_go()
        return held


class NoWatchdog:
    """A callback takes no time that could be too long."""

    def start(self) -> None:
        """See ``Watchdog.start``."""

    def end(self) -> None:
        """See ``Watchdog.end``."""


class NoThrift:
    """Gives no memory back: that takes a thread, and its time is the whole process's."""

    def freed(self, size: int) -> None:
        """See ``Thrift.freed``."""

    def finish(self) -> None:
        """See ``Thrift.finish``."""


class Jobs:
    """Stands for the threads of a worker pool: each job runs at a moment that the seed picks, in one piece.

    As many run side by side as there are threads: that long it takes from a job's beginning to its end.

    Args:
        kernel: Of the host: with it what has been put in ends.
        run: Runs something as the host's code, on a thread of its own.
        limit: How many threads.
        name: What the pool is called.
    """

    def __init__(self, kernel: Ground, run: Run, limit: int, name: str) -> None:
        self._kernel = kernel
        self._run = run
        self._limit = limit
        self._name = name
        self._waiting: deque[Callable[[], object]] = deque()
        self._busy = 0
        self._numbers = itertools.count(1)

    @property
    def unfinished(self) -> int:
        """How many wait or run."""
        return len(self._waiting) + self._busy

    def waits(self) -> str:
        """Says how much there is to do."""
        return f"{self._name}: jobs that wait: {len(self._waiting)}, that are about to run: {self._busy}"

    def put(self, task: Callable[[], object]) -> None:
        """See ``Threads.put``."""
        self._waiting.append(task)
        self._begin()

    def _begin(self) -> None:
        if self._busy < self._limit and self._waiting:
            self._busy += 1
            scheduler = self._kernel.scheduler
            delay = scheduler.random.random() * _LONGEST_JOB
            scheduler.call_later(delay, self._work, self._waiting.popleft())

    def _work(self, task: Callable[[], object]) -> None:
        kernel = self._kernel
        if not kernel.alive:
            return
        kernel.trace.add("job", kernel.host, detail=f"job {next(self._numbers)} of {self._name}")
        try:
            self._run(task)
        except BaseException:
            _LOG.critical("a task of %s failed", self._name, exc_info=True)
        finally:
            self._busy -= 1
            self._begin()

    def end(self) -> None:
        """See ``Threads.end``."""

    def join(self) -> None:
        """See ``Threads.join``."""
        current.wait(lambda: not self.unfinished, None, f"the jobs of {self._name}")

    def abandon(self) -> None:
        """See ``Threads.abandon``; the host has crashed."""
        self._waiting.clear()


def track(*_: Any) -> None:
    """Has nothing done at the end of the process, which is not the end of a host."""
