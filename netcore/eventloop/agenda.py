"""What a loop has to do besides its sockets: functions of other threads, planned calls, deadlines."""

from __future__ import annotations

import logging
from collections.abc import Callable

from netcore import _machine
from netcore._complaints import complain, place_of
from netcore.connection import BaseCounters, BaseDeadlines, BaseInbox
from netcore.eventloop.tasks import TaskQueue
from netcore.eventloop.timers import PlannedCall, TimerHeap
from netcore.eventloop.wheel import TimingWheel

__all__ = ["Agenda"]

_TASKS_PER_TURN = 1024
"""Tasks run in one turn, so that a flood of them does not starve the connections."""

_TIMERS_PER_TURN = 1024
"""Timers run in one turn, likewise; those beyond are due in the next, which comes at once."""


class Agenda:
    """Tasks first in, first out, and calls by time. On the loop's thread, unless "Any thread" is said.

    Args:
        index: The loop's, for the log.
        clock: Seconds that never go back.
        counters: Where what is run is counted.
        inbox: Whose views end with each call.
        logger: Where exceptions go.
        shutdown: Called when what is no ``Exception``, such as SystemExit, asks for the end.
        exiting: Told what that was, before.
        judging: The clock of the deadlines, if they have one of their own.
        ask: Called with the time of deadlines before they are judged.

    Attributes:
        pending: The tasks; looked at every turn, and changed by nobody else.
        planned: The timers, likewise.
    """

    def __init__(
        self,
        index: int,
        clock: Callable[[], float],
        counters: BaseCounters,
        inbox: BaseInbox,
        logger: logging.Logger,
        shutdown: Callable[[], object],
        exiting: Callable[[BaseException], object] = lambda error: None,
        judging: Callable[[], float] | None = None,
        ask: Callable[[float], object] = lambda due: None,
    ) -> None:
        self._index = index
        self._clock = clock
        self._counters = counters
        self._inbox = inbox
        self._logger = logger
        self._shutdown = shutdown
        self._exiting = exiting
        self._tasks = TaskQueue()
        self._timers = TimerHeap()
        self._wheel = TimingWheel(self._timers, judging or clock, ask)
        self.pending = self._tasks.pending
        self.planned = self._timers.entries

    @property
    def armed(self) -> int:
        """About how many planned calls will run. Any thread."""
        return self._timers.armed

    def upcoming(self) -> list[tuple[float, Callable[..., object]]]:
        """Returns the planned calls, the first one first: when, in seconds of the clock, and what."""
        return [(call[0], call[2]) for call in sorted(self.planned) if call[2] is not None]

    def put(self, function: Callable[..., object], args: tuple[object, ...]) -> bool:
        """Adds a task, unless ``end`` was called; returns whether it did. Any thread."""
        return self._tasks.put(function, args)

    def call_at(self, when: float, function: Callable[..., object], args: tuple[object, ...]) -> PlannedCall:
        """Makes a call that ``add`` is still to be given. Any thread."""
        return self._timers.plan(when, function, args)

    def add(self, call: PlannedCall) -> None:
        """Plans what ``call_at`` has made."""
        self._timers.add(call)

    def watch(self, deadlines: BaseDeadlines) -> None:
        """Has ``deadlines.check`` called when the first of them is due."""
        self._wheel.plan(deadlines)

    def neglect(self, deadlines: BaseDeadlines) -> None:
        """Lets go of deadlines whose connection is gone."""
        self._wheel.unplan(deadlines)

    def next_time(self) -> float | None:
        """Returns when the first planned call is due, in seconds of the clock; None if there is none."""
        return self._timers.next_time()

    def run_tasks(self) -> None:
        """Runs what is pending, as much as is good for one turn."""
        tasks = self._tasks.take(_TASKS_PER_TURN)
        self._counters.tasks += len(tasks)
        for _, function, args in tasks:
            self._guarded(function, args)

    def run_timers(self) -> None:
        """Runs what is due, as much as is good for one turn."""
        for call in self._timers.pop_due(self._clock(), _TIMERS_PER_TURN):
            planned = call.take()
            if planned is not None:
                self._counters.timers += 1
                self._guarded(*planned)

    def end(self) -> None:
        """Takes no more tasks, and runs those that are left."""
        for _, function, args in self._tasks.end():
            self._guarded(function, args)

    def abandon(self) -> None:
        """Forgets everything, in a forked child."""
        self._tasks.abandon()
        self._timers.clear()

    def _guarded(self, function: Callable[..., object], args: tuple[object, ...]) -> None:
        try:
            function(*args)
        except Exception as error:
            self._counters.errors += 1
            name = getattr(function, "__qualname__", type(function).__name__)
            _machine.current().raised(error, name)
            complain(
                self._logger,
                logging.ERROR,
                place_of(error),
                "%s failed on loop %d",
                name,
                self._index,
                error=error,
            )
        except BaseException as error:
            self._counters.errors += 1
            self._logger.critical("%r ends the engine of loop %d", function, self._index, exc_info=True)
            self._exiting(error)
            self._shutdown()
        if self._inbox.views:
            self._inbox.release_views()
