"""The event loop: one thread that waits, receives, handles and sends, all in batches."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from netcore._platform import keep_freed_memory, pin_thread
from netcore.address import Address
from netcore.connection import Deadlines, release_views
from netcore.errors import EngineNotRunningError
from netcore.eventloop.acceptor import Acceptor, Listener
from netcore.eventloop.complaints import Complaints
from netcore.eventloop.datagrams import DatagramListener, DatagramServing
from netcore.eventloop.dialer import Dialer, check_dialable
from netcore.eventloop.shared import Shared
from netcore.eventloop.tasks import TaskQueue
from netcore.eventloop.timers import TimerHeap
from netcore.eventloop.wheel import TimingWheel
from netcore.handler import Conn, EventLoop, Metrics, Timer
from netcore.poll import Poller, columns_of
from netcore.sockets import Sockets

__all__ = ["Loop"]

_TASKS_PER_TURN = 1024
"""Tasks run in one turn, so that a flood of them does not starve the connections."""


class Loop(DatagramServing, EventLoop):
    """Serves connections on a thread of its own, or turn by turn under a test.

    Args:
        index: Its position among the loops of its engine.
        shared: What it has in common with them.
        poller: Tells which sockets are ready.
        sockets: Does the batched I/O.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        index: int,
        shared: Shared,
        poller: Poller,
        sockets: Sockets,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(shared, poller, sockets)
        keep_freed_memory()
        self.index = index
        self.clock = clock
        self.time = clock()
        self._wait = columns_of(poller)
        self.stopping = False
        self._acceptors: list[Acceptor | DatagramListener] = []
        self._dialer = Dialer(self)
        self._tasks = TaskQueue()
        self._timers = TimerHeap()
        self._wheel = TimingWheel(self._timers, clock)
        self._pending = self._tasks.pending
        self._planned = self._timers.entries
        self._complaints = Complaints(clock)
        self._thread_id: int | None = None
        self._sleeping = False
        self._forked = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.index}, {self.connection_count} connections>"

    # What any thread may ask.

    def in_loop(self) -> bool:
        """See ``EventLoop.in_loop``."""
        return threading.get_ident() == self._thread_id

    def execute(self, function: Callable[..., object], *args: object) -> None:
        """See ``EventLoop.execute``."""
        if not self._put(function, args):
            fate = "runs in another process, of which this one is a fork" if self._forked else "has ended"
            raise EngineNotRunningError(f"loop {self.index} {fate}: it can execute nothing more here")

    def post(self, function: Callable[..., object], *args: object) -> None:
        """See ``Host.post``."""
        if not self._put(function, args):
            function(*args)

    def schedule(self, delay: float, function: Callable[..., object], *args: object) -> Timer:
        """See ``EventLoop.schedule``."""
        if delay != delay:  # not a number: no time is before or after it, and it would upset the heap
            raise ValueError("a delay must be a number of seconds, not nan")
        timers = self._timers
        call = timers.plan(self.clock() + delay if delay > 0 else self.clock(), function, args)
        if threading.get_ident() == self._thread_id:
            timers.add(call)
        else:
            self.execute(timers.add, call)
        return call

    def dial(
        self, address: str | Address, context: object = None, timeout: float | None = None
    ) -> Future[Conn]:
        """See ``EventLoop.dial``; connect(2)."""
        if timeout is not None and not timeout >= 0:  # nan is neither
            raise ValueError(f"a timeout is {timeout!r}: it must be seconds, or None")
        return self._dialer.dial(check_dialable(Address.parse(address)), context, timeout)

    def enroll(self, sock: socket.socket, context: object = None) -> Future[Conn]:
        """See ``EventLoop.enroll``."""
        return self._dialer.enroll(sock, context)

    def now(self) -> float:
        """See ``Host.now``."""
        self.time = self.clock()
        return self.time

    def plan(self, deadlines: Deadlines) -> None:
        """See ``Host.plan``."""
        self._wheel.plan(deadlines)

    def hand_over(self, fd: int, name: bytes, listener: Listener) -> None:
        """Gives the loop a descriptor just accepted, with its peer's packed name. Any thread."""
        if self.in_loop():
            self._adopt_accepted(fd, name, listener)
        else:
            self._arriving[fd] = None  # counted at once, for the balancer
            # One arrival, one task: after the loop's end this runs on the accepting thread, beside our own.
            self.post(self._adopt_accepted, fd, name, listener)

    def shutdown(self) -> None:
        """See ``Host.shutdown``."""
        self.shared.shutdown()

    def metrics(self) -> Metrics:
        """See ``EventLoop.metrics``."""
        waiting = sum(listener.outbound_buffered for listener in list(self._acceptors))
        return self.counters.snapshot(
            connections=self.connection_count,
            outbound_buffered=self.outbound_buffered + waiting,
            tasks_pending=len(self._pending),
            timers_armed=self._timers.armed,
        )

    def _put(self, function: Callable[..., object], args: tuple[object, ...]) -> bool:
        accepted = self._tasks.put(function, args)
        # The loop says that it sleeps before its last look at the tasks, so one of the two sees the other.
        if accepted and self._sleeping and not self.in_loop():
            with suppress(ValueError):  # it has run the task and ended in the meantime
                self.poller.wake()
        return accepted

    def _adopt_accepted(self, fd: int, name: bytes, listener: Listener) -> None:
        self.counters.accepted += 1
        try:
            self.adopt(fd, listener.network, name, listener.local)
        except OSError as error:
            self.counters.accepted -= 1
            # While it stops they are meant to be turned away.
            if not self.stopping and (times := self._complaints.due()):
                self.logger.error(
                    "cannot serve a new connection on %s: %s (%d times)", listener.address, error, times
                )

    # The turn.

    def turn(self) -> None:
        """Waits for what is next and deals with all of it."""
        self._sleeping = True
        if self._pending or self._again or self._unsettled:
            timeout: float | None = 0.0
        else:
            timeout = self._until_next_timer() if self._planned else None
        fds, readiness = self._wait(timeout)
        self._sleeping = False
        if self._planned:
            self.time = self.clock()
        self.counters.turns += 1
        if fds or self._again:
            self.counters.events += len(fds)
            self.serve(fds, readiness)
        if self._pending:
            self._run_tasks()
        if self._planned:
            self._run_timers()
        if self.outbox.fds:
            self.flush()
        if self._unsettled:
            self.settle()

    def _until_next_timer(self) -> float | None:
        when = self._timers.next_time()
        return None if when is None else max(when - self.clock(), 0.0)

    def _run_tasks(self) -> None:
        tasks = self._tasks.take(_TASKS_PER_TURN)
        self.counters.tasks += len(tasks)
        for function, args in tasks:
            self._guarded(function, args)

    def _run_timers(self) -> None:
        for call in self._timers.pop_due(self.clock()):
            planned = call.take()
            if planned is not None:
                self.counters.timers += 1
                self._guarded(*planned)

    def _guarded(self, function: Callable[..., object], args: tuple[object, ...]) -> None:
        try:
            function(*args)
        except Exception:
            self.counters.errors += 1
            self.logger.exception("%r failed on loop %d", function, self.index)
        except BaseException:
            self.counters.errors += 1
            self.logger.critical("%r ends the engine of loop %d", function, self.index, exc_info=True)
            self.shared.shutdown()
        if self.views:
            release_views(self)

    # Life.

    def listen(self, listener: Listener, pick: Callable[..., Loop] | None) -> Acceptor:
        """Takes over a listener, without accepting yet. Before the loop runs."""
        acceptor = Acceptor(self, listener, pick)
        self._acceptors.append(acceptor)
        return acceptor

    def listen_for_datagrams(self, fd: int, family: int, address: Address) -> DatagramListener:
        """Takes over a bound datagram socket, without receiving yet. Before the loop runs."""
        listener = DatagramListener(self, fd, family, address)
        self._acceptors.append(listener)
        return listener

    def start_accepting(self) -> None:
        """Accepts from all listeners. The loop's thread."""
        for acceptor in self._acceptors:
            acceptor.start()

    def stop_accepting(self) -> None:
        """Closes all listeners. The loop's thread."""
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors.clear()

    def claim(self) -> None:
        """Makes the calling thread the loop's own; for who calls ``turn`` without ``run``."""
        self._thread_id = threading.get_ident()

    def run(self, cpu: int | None = None) -> None:
        """Runs turns until the loop is stopped and its last connection gone; the body of its thread.

        Args:
            cpu: The CPU to stay on; None for any.
        """
        self.claim()
        if cpu is not None and not pin_thread(cpu):
            self.logger.warning("this platform cannot pin loop %d to CPU %d", self.index, cpu)
        try:
            while not (self.stopping and not self.connection_count and not self.lingering):
                self.turn()
        except BaseException:
            self.logger.critical("loop %d failed and ends; its engine stops", self.index, exc_info=True)
            self.shared.shutdown()
        finally:
            self._end()

    def stop(self, timeout: float) -> None:
        """Closes listeners and connections gracefully and then ends the loop. The loop's thread.

        Args:
            timeout: Seconds after which the connections left are reset.
        """
        if not self.stopping:
            self.stopping = True
            self.stop_accepting()
            self._dialer.fail_all(EngineNotRunningError(f"loop {self.index} is stopping"))
            self.turn_away()
            self.schedule(timeout, self.stop_now, TimeoutError("the engine's shutdown_timeout has passed"))

    def stop_now(self, error: Exception | None = None) -> None:
        """Resets all connections and ends the loop. The loop's thread.

        Args:
            error: What their ``on_close`` is told.
        """
        self.stopping = True
        self.stop_accepting()
        self._dialer.fail_all(EngineNotRunningError(f"loop {self.index} has stopped"))
        self.reset_all(error)

    def close(self) -> None:
        """Releases what a loop that never ran holds."""
        self._end()

    def abandon(self) -> None:
        """Makes the loop inert, in a forked child, without touching what it shares with the parent.

        The child's copies of its descriptors are closed: as long as one is open, a peer gets no FIN and a
        port stays taken. That leaves the parent's alone, as an epoll_ctl(2) or a shutdown(2) would not.
        """
        self._forked = self.stopping = True
        self._thread_id = None
        self._tasks.abandon()
        self._timers.clear()
        self._dialer.abandon()
        fds = [acceptor.abandon() for acceptor in self._acceptors] + self.abandon_connections()
        self._acceptors.clear()
        self._watchers.clear()
        self.sockets.close(fds)
        close_copy = getattr(self.poller, "abandon", None)  # not every poller has something to close
        if close_copy is not None:
            close_copy()

    def _end(self) -> None:
        self.claim()
        try:
            self.stop_now()
            self.settle()
            for function, args in self._tasks.end():
                self._guarded(function, args)
            self.settle()
            self.end_lingering()
        except BaseException:
            self.logger.critical("loop %d could not end in order", self.index, exc_info=True)
        finally:
            self._tasks.end()
            self._thread_id = None
            try:
                if not self._forked:
                    self.poller.close()
            except Exception:
                self.logger.exception("the poller of loop %d could not be closed", self.index)
            self.shared.loop_ended()
