"""What stands for the threads of ``concurrent.futures.ThreadPoolExecutor``, asyncio's default one among them.

A job runs at a moment that the seed picks, in one piece, as those of netcore's worker pools do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from netcore import _machine
from netcore.testing.simulation import current
from netcore.worker.threads import Threads

if TYPE_CHECKING:
    from netcore._machine import Machine

__all__ = ["shutdown", "submit", "unfinished"]

_POOL = "_simulated_pool"
_UNNAMED = re.compile(r"ThreadPoolExecutor-\d+")
"""What an executor is called that has no name: after how many of them this process has had."""


class _Pool:
    """The jobs of an executor on a host, until that crashes."""

    def __init__(self, executor: Any, machine: Machine) -> None:
        name = _UNNAMED.sub("ThreadPoolExecutor", executor._thread_name_prefix)
        self.machine = machine
        self.jobs = machine.make(Threads, executor._max_workers, name)
        self.unfinished: dict[Future[Any], None] = {}

    def submit(self, function: Callable[[], object]) -> Future[Any]:
        future: Future[Any] = self.machine.make(Future)
        self.unfinished[future] = None
        future.add_done_callback(lambda future: self.unfinished.pop(future, None))
        self.jobs.put(lambda: self._run(future, function))
        return future

    def _run(self, future: Future[Any], function: Callable[[], object]) -> None:
        if _machine.current() is not self.machine or not future.set_running_or_notify_cancel():
            return
        try:
            result = function()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)


def _pool_of(executor: Any) -> _Pool:
    machine = _machine.current()
    pool: _Pool | None = executor.__dict__.get(_POOL)
    if pool is None or pool.machine is not machine:
        pool = executor.__dict__[_POOL] = _Pool(executor, machine)
    return pool


def unfinished(executor: Any) -> list[Future[Any]]:
    """Returns the futures of jobs that wait or run, in the order in which they came."""
    pool: _Pool | None = executor.__dict__.get(_POOL)
    return [] if pool is None else list(pool.unfinished)


def submit(
    executor: ThreadPoolExecutor, function: Callable[..., object], /, *args: Any, **named: Any
) -> Future[Any]:
    """Stands for ``ThreadPoolExecutor.submit``."""
    if executor._shutdown:
        raise RuntimeError("cannot schedule new futures after shutdown")
    return _pool_of(executor).submit(lambda: function(*args, **named))


def shutdown(executor: ThreadPoolExecutor, wait: bool = True, *, cancel_futures: bool = False) -> None:
    """Stands for ``ThreadPoolExecutor.shutdown``."""
    executor._shutdown = True
    if cancel_futures:
        for future in unfinished(executor):
            future.cancel()
    if wait:
        current.wait(lambda: not unfinished(executor), None, "the jobs of an executor")
