"""A bounded pool of threads for work that blocks.

``submit`` is for any work, and refuses it when the pool is full. ``run_for`` is for the work of a
connection: it keeps the order of its jobs, and instead of refusing them it stops reading from the
connection, so that the peer is slowed down by TCP's own flow control.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from operator import index
from types import TracebackType
from typing import Any, TypeVar

from netcore._arguments import check_callback, check_function
from netcore._futures import disown
from netcore._locks import make_lock
from netcore._machine import current
from netcore.worker.errors import WorkerPoolFullError
from netcore.worker.lane import ConnectionLike, Job, Lane, can_pause
from netcore.worker.process import track
from netcore.worker.threads import Threads

__all__ = ["WorkerPool"]

_T = TypeVar("_T")
_ConnT = TypeVar("_ConnT", bound=ConnectionLike)


class WorkerPool:
    """Runs blocking functions on threads of its own. Also a context manager. Any thread.

    The threads start as they are needed, and end when they were idle for ten seconds. What is accepted is
    run, also during and after a shutdown, and before the interpreter ends; what is refused is not. In a
    forked child the pool begins anew: what it had accepted is the parent's, and its futures fail there.

    Args:
        max_workers: How many threads at most; None for four more than the usable CPUs, at most 32.
        max_pending: How many jobs may wait for a thread, beyond those that have one.
        max_pending_per_connection: From so many unfinished jobs on a connection is not read, until no
            more than half as many are left.

    Raises:
        TypeError: A number is not whole.
        ValueError: A number is too small.
    """

    def __init__(
        self, max_workers: int | None = None, max_pending: int = 1024, max_pending_per_connection: int = 32
    ) -> None:
        max_pending, max_pending_per_connection = index(max_pending), index(max_pending_per_connection)
        if max_pending < 0:
            raise ValueError(f"max_pending is {max_pending}: it must be zero or above")
        if max_pending_per_connection < 1:
            raise ValueError(
                f"max_pending_per_connection is {max_pending_per_connection}: it must be above zero"
            )
        machine = current()
        workers = min(32, len(machine.usable_cpus()) + 4) if max_workers is None else index(max_workers)
        if workers < 1:
            raise ValueError(f"max_workers is {max_workers}: it must be above zero")
        self._threads = machine.make(Threads, workers, "netcore-worker")
        self._capacity = workers + max_pending
        self._high = max_pending_per_connection
        self._low = max_pending_per_connection // 2
        self._lock = make_lock()
        self._jobs: set[Job | Future[Any]] = set()
        self._closed = False
        self._lanes: dict[int, Lane] = {}
        machine.make(track, self)

    def __enter__(self) -> WorkerPool:
        """Returns the pool."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Shuts down and waits."""
        self.shutdown()

    @property
    def unfinished(self) -> int:
        """Jobs that wait or run."""
        return len(self._jobs)

    def submit(self, function: Callable[..., _T], *args: object) -> Future[_T]:
        """Has a function called by a worker; never blocks. Any thread.

        Args:
            function: What to call.
            args: With what.

        Returns:
            Its result, or its exception. The job can be cancelled while it waits, but keeps its place
            until its turn has come.

        Raises:
            TypeError: The function cannot be called.
            WorkerPoolFullError: As many jobs as may wait are waiting.
            RuntimeError: The pool has been shut down, or it has no thread and cannot start one.
        """
        check_function(function)
        future: Future[_T] = current().make(Future)
        with self._lock:
            self._check_open()
            if self._full:
                raise self._full_error()
            self._jobs.add(future)
            try:
                self._threads.put(partial(self._run, future, function, args))
            except BaseException:  # a KeyboardInterrupt, too
                self._jobs.discard(future)
                raise
        return future

    def run_for(
        self,
        conn: _ConnT,
        function: Callable[..., _T],
        *args: object,
        then: Callable[[_ConnT, _T | None, Exception | None], object] | None = None,
    ) -> None:
        """Has a function called by a worker, one after the other for each connection. Any thread.

        The connection is not read once it has ``max_pending_per_connection`` unfinished jobs, or was given
        one when the pool was full, until enough of them are done. What one ``on_traffic`` asks for in a
        row is still accepted, so that memory is bounded by what was received. The pool is a reason of its own
        for the pause; see ``Conn.pause_reading``. Jobs also run when the connection has closed.

        Args:
            conn: Whose job it is.
            function: What to call.
            args: With what.
            then: ``then(conn, result, error)``, called exactly once on the connection's loop, also when
                ``conn.closed``, and on the worker's thread when the loop has ended; ``error`` is None if
                all went well, else ``result`` is. What it raises goes to ``on_error``, and so does,
                without it, what ``function`` raises. What is no ``Exception``, such as ``SystemExit``,
                comes as the cause of a ``RuntimeError``.

        Raises:
            TypeError: The function or ``then`` cannot be called, or that is no connection.
            WorkerPoolFullError: The pool is full, and the connection carries datagrams, whose sender
                cannot be slowed down.
            RuntimeError: The pool has been shut down, or it has no thread and cannot start one.
        """
        job = Job(function, args, then)
        if not callable(getattr(conn, "async_writev", None)):
            raise TypeError(f"run_for needs a connection, not {conn!r}")
        check_function(function)
        check_callback(then)
        with self._lock:
            self._check_open()
            full = self._full
            if full and not can_pause(conn):
                raise self._full_error()
            lane = self._lanes.setdefault(conn.id, Lane(conn, self))
            self._jobs.add(job)
            lane.pending += 1
            lane.jobs.append(job)
            if not lane.active:
                lane.active = True
                try:
                    self._threads.put(partial(self._step, lane))
                except BaseException:
                    self._take_back(lane, job)
                    raise
            crowded = full or lane.pending >= self._high
        if crowded:
            if conn.loop.in_loop():
                lane.pause()
            else:  # decided on one thread only, a pause cannot overtake the resumption before it
                conn.async_writev((), lambda *_: self._crowded(lane))

    def shutdown(self, wait: bool = True) -> None:
        """Accepts no more work. What was accepted is still run. Idempotent.

        Args:
            wait: Whether to return only when all of it has been run and the threads have ended; not to
                be asked for by a job, which would wait for itself.
        """
        with self._lock:
            self._closed = True
        self._threads.end()
        if wait:
            self._threads.join()

    def abandon(self) -> None:
        """Begins anew in a forked child, without what was accepted before."""
        self._lock = make_lock()  # a thread that held it does not exist here
        self._threads.abandon()
        jobs, self._jobs = self._jobs, set()
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            lane.jobs.clear()
        for job in jobs:
            if isinstance(job, Future) and not job.done():
                disown(job, RuntimeError("the job runs in another process, of which this one is a fork"))

    def close(self) -> None:
        """Shuts down and waits."""
        self.shutdown()

    @property
    def _full(self) -> bool:
        return len(self._jobs) >= self._capacity

    def _full_error(self) -> WorkerPoolFullError:
        return WorkerPoolFullError(f"the worker pool is full: {len(self._jobs)} jobs are unfinished")

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the worker pool has been shut down")

    def _take_back(self, lane: Lane, job: Job) -> None:
        """Undoes the acceptance of a lane's only job, for which there is no thread."""
        try:
            lane.jobs.remove(job)
        except ValueError:  # an interrupt came too late: it is running
            return
        lane.active = False
        lane.pending -= 1
        if not lane.pending:
            self._lanes.pop(lane.conn.id, None)
        self._jobs.discard(job)

    # On the threads of the workers.

    def _run(self, future: Future[Any], function: Callable[..., Any], args: tuple[object, ...]) -> None:
        """Runs a submitted job. A place is free again before anybody can learn that the job is done."""
        if not future.set_running_or_notify_cancel():
            self._jobs.discard(future)
            return
        try:
            result = function(*args)
        except BaseException as error:
            self._jobs.discard(future)
            future.set_exception(error)
        else:
            self._jobs.discard(future)
            future.set_result(result)

    def _step(self, lane: Lane) -> None:
        """Runs the next job of a lane, and queues for another turn, so that no lane holds a worker."""
        job = lane.jobs.popleft()
        try:
            report = partial(self._report, lane, job, job.function(*job.args), None)
        except BaseException as error:
            report = partial(self._report, lane, job, None, _for_a_loop(error))
        self._jobs.discard(job)
        try:
            lane.conn.async_writev((), report)
        finally:
            with self._lock:
                lane.active = bool(lane.jobs)
                if lane.active:
                    self._threads.put(partial(self._step, lane))  # this one runs, so none has to start

    # On the loop of the connection. An empty asynchronous write is what brings a callback there: exactly
    # once, in order, whatever has become of the connection, and with ``on_error`` for what it raises.

    def _report(self, lane: Lane, job: Job, result: object, error: Exception | None, *_: object) -> None:
        with self._lock:
            lane.pending -= 1
            left = lane.pending
            if not left:
                self._lanes.pop(lane.conn.id, None)
        if left <= self._low:
            lane.resume()
        if job.then is not None:
            job.then(lane.conn, result, error)
        elif error is not None:
            raise error

    def _crowded(self, lane: Lane) -> None:
        with self._lock:
            busy = lane.pending > 0  # if not, nothing would end the pause
        if busy:
            lane.pause()


def _for_a_loop(error: BaseException) -> Exception:
    """Wraps what would end a thread, such as SystemExit: it must not end a loop."""
    if isinstance(error, Exception):
        return error
    wrapped = RuntimeError(f"a job raised {error!r}")
    wrapped.__cause__ = error
    return wrapped
