"""A bounded number of threads, started as they are needed."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from netcore._locks import make_lock

__all__ = ["Task", "Threads"]

_IDLE = 10.0
"""Seconds until a thread that has nothing to do ends."""

_LOG = logging.getLogger("netcore")

Task = Callable[[], object]

_Inbox = SimpleQueue[Task | None]


class Threads:
    """Runs tasks, in the order in which they come, on daemon threads. Any thread.

    A task goes straight to a thread, or waits until one is free; one that is refused was never anywhere. A
    signal handler or a finalizer may call while the same thread is in a call: hence the lock, and steps that
    are complete between any two calls.

    Args:
        limit: How many threads at most.
        name: What their names begin with.
    """

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._name = name
        self._numbers = itertools.count()
        self._lock = make_lock()
        self._waiting: deque[Task] = deque()
        self._idle: list[_Inbox] = []
        self._threads: set[threading.Thread] = set()
        self._ended = False

    def put(self, task: Task) -> None:
        """Has a task run; what it raises is logged.

        Raises:
            RuntimeError: No thread can be started, and none runs that would come to it. It is not run.
        """
        with self._lock:
            try:
                inbox = self._idle.pop()
            except IndexError:
                if len(self._threads) >= self._limit or not self._start(task):
                    self._waiting.append(task)
            else:
                inbox.put(task)

    def _start(self, task: Task) -> bool:
        """Starts a thread with its first task; returns whether it has one. The lock is held."""
        name = f"{self._name}_{next(self._numbers)}"
        first = [task]  # whoever takes it out of here has it
        thread = threading.Thread(target=self._work, args=(first,), name=name, daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except BaseException as error:
            # A limit of the system's, or a KeyboardInterrupt, after which there may be a thread all the same.
            if thread.ident is None:
                self._threads.discard(thread)
            with suppress(IndexError):  # then it has the task, and is running it
                first.pop()
                if self._threads and isinstance(error, Exception):
                    return False
            raise
        return True

    def end(self) -> None:
        """Lets the threads end when nothing waits any more."""
        with self._lock:
            self._ended = True
            while self._idle:
                self._idle.pop().put(None)

    def join(self) -> None:
        """Waits until all threads have ended; not on one of them."""
        while threads := self._started():
            for thread in threads:
                thread.join()

    def _started(self) -> list[threading.Thread]:
        with self._lock:  # which whoever starts one holds meanwhile
            return list(self._threads)

    def abandon(self) -> None:
        """Begins anew in a forked child, where none of the threads exists, and what waits is the parent's."""
        self._lock = make_lock()
        self._waiting.clear()
        self._idle.clear()
        self._threads = set()

    def _work(self, first: list[Task]) -> None:
        """The body of each thread."""
        inbox: _Inbox = SimpleQueue()
        try:
            task: Task | None = first.pop()
        except IndexError:  # who has started this was interrupted, and has taken it back
            task = self._next(inbox)
        while task is not None:
            try:
                task()
            except BaseException:
                _LOG.critical("a task of %s failed", self._name, exc_info=True)
            task = None  # its result must not live as long as the next one is waited for
            task = self._next(inbox)

    def _next(self, inbox: _Inbox) -> Task | None:
        """Waits for a task; None ends the thread, which is no longer counted then."""
        with self._lock:
            self._idle.append(inbox)  # before the look: a finalizer's task is in one place or in the other
            if self._waiting or self._ended:
                return self._take(inbox)
        try:
            task = inbox.get(timeout=_IDLE)
        except Empty:
            task = None
        if task is not None:
            return task
        with self._lock:
            return self._take(inbox)

    def _take(self, inbox: _Inbox) -> Task | None:
        """Takes what waits, or what has just been handed over; else leaves. The lock is held."""
        if inbox in self._idle:
            self._idle.remove(inbox)
        elif not inbox.empty() and (task := inbox.get()) is not None:
            return task
        this = threading.current_thread()
        self._threads.discard(this)  # before the look, as above
        if not self._waiting:
            return None
        self._threads.add(this)
        return self._waiting.popleft()
