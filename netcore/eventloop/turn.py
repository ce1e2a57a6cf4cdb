"""One round of a loop: wait, receive, handle, send."""

from __future__ import annotations

from netcore.eventloop.aftermath import Aftermath
from netcore.eventloop.agenda import Agenda
from netcore.eventloop.intake import Intake
from netcore.eventloop.site import Site
from netcore.poll import columns_of

__all__ = ["Turn"]


class Turn:
    """The order in which the parts of a loop have their say. On the loop's thread.

    Args:
        site: The loop; its ``time`` is set here.
        agenda: What is to be done besides the sockets.
        intake: What is done with what is ready.
        aftermath: What is done at the end.

    Attributes:
        sleeping: Whether the loop waits, or is about to, so that who gives it a task has to wake it.
    """

    def __init__(self, site: Site, agenda: Agenda, intake: Intake, aftermath: Aftermath) -> None:
        self._site = site
        self._agenda = agenda
        self._pending = agenda.pending
        self._planned = agenda.planned
        self._intake = intake
        self._aftermath = aftermath
        self._outbox = site.outbox
        self._counters = site.counters
        self._clock = site.clock
        self._wait = columns_of(site.poller)
        self.sleeping = False

    def run(self, longest: float | None = None) -> None:
        """Waits for what is next, and deals with all of it.

        Args:
            longest: Seconds to wait at most; None for as long as there is nothing to do.
        """
        # The loop says that it sleeps before its last look at the tasks, and who adds one looks after that:
        # so one of the two sees the other.
        self.sleeping = True
        if self._pending or self._intake.again or self._aftermath.unsettled:
            timeout: float | None = 0.0
        else:
            timeout = self._until_next_timer() if self._planned else None
            if longest is not None and (timeout is None or longest < timeout):
                timeout = longest
        fds, readiness = self._wait(timeout)
        self.sleeping = False
        if self._planned:
            self._site.time = self._clock()
        self._counters.turns += 1
        if fds or self._intake.again:
            self._counters.events += len(fds)
            self._intake.serve(fds, readiness)
        if self._pending:
            self._agenda.run_tasks()
        if self._planned:
            self._agenda.run_timers()
        outbox = self._outbox
        if outbox.entries or outbox.producers:
            outbox.flush()
        if self._aftermath.unsettled:
            self._aftermath.settle()

    def next_due(self) -> float | None:
        """Returns when the next round is due though nothing is ready; see ``Loop.next_deadline``.

        From here on the loop counts as sleeping: who gives it a task wakes its poller.
        """
        self.sleeping = True
        outbox = self._outbox  # written to between two turns, by who hosts the loop
        if outbox.entries or outbox.producers:
            return self._clock()
        if self._pending or self._intake.again or self._aftermath.unsettled:
            return self._clock()
        return self._agenda.next_time()

    def _until_next_timer(self) -> float | None:
        when = self._agenda.next_time()
        return None if when is None else max(when - self._clock(), 0.0)
