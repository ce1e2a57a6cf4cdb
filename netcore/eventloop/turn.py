"""One round of a loop: wait, receive, handle, send."""

from __future__ import annotations

import math
from contextlib import suppress

from netcore._complaints import Complaints
from netcore.connection import STALL
from netcore.eventloop.aftermath import Aftermath
from netcore.eventloop.agenda import Agenda
from netcore.eventloop.intake import Intake
from netcore.eventloop.site import Site

__all__ = ["Turn"]

_PATIENCE = 7
"""Turns that may fail in a row; the one after these ends the loop."""

_BACK_OFF = 0.002
"""Seconds, doubled by each turn that fails; half a second in all."""


class Turn:
    """The order in which the parts of a loop have their say. On the loop's thread.

    Args:
        site: The loop; its ``time`` is set here.
        agenda: What is to be done besides the sockets.
        intake: What is done with what is ready.
        aftermath: What is done at the end.

    Attributes:
        sleep: A list for each wait, from just before it to its end, so that who gives the loop a task then
            wakes it: whoever has done so puts something in, which spares the others the call. Else None.
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
        self.sleep: list[None] | None = None
        self._patience = _PATIENCE
        self._complaints = Complaints(site.clock)
        intake.attend(self, aftermath, agenda.pending)
        self._began = math.inf
        self._asked = -math.inf

    def run(self, longest: float | None = None, goes_on: bool = False) -> None:
        """Waits for what is next, and deals with all of it.

        Args:
            longest: Seconds to wait at most; None for as long as there is nothing to do.
            goes_on: Whether the loop takes more turns anyway, on a thread of its own: those of messages alone
                may be taken here, and what interrupts the wait is meant for nobody else.
        """
        # The loop says that it sleeps before its last look at the tasks, and who adds one looks after that:
        # so one of the two sees the other.
        self.end()
        self.sleep = []
        if self._pending or self._intake.again or self._aftermath.unsettled:
            timeout: float | None = 0.0
            if self._planned:
                self._asked = self._clock()
        else:
            timeout = self._until_next_timer() if self._planned else None
            if longest is not None and (timeout is None or longest < timeout):
                timeout = longest
        try:
            found = self._intake.turns(timeout) if goes_on else self._intake.wait(timeout)
            self._patience = _PATIENCE
        except BaseException as error:
            found = 0
            self._intake.look_everywhere()  # a signal's handler may have raised it when the wait was over
            self._bear(error, longest, goes_on)
        if found >= 0:  # before it says that it is awake, so that who looks has the number of this turn
            self._counters.turns += 1
            if self._outbox.shared:
                self._outbox.begin_turn()
            if self._counters.meter is not None:
                self._counters.meter.begin_turn()
        self.sleep = None
        if self._planned:
            self._site.time = self._clock()
            self._began = self._site.time
        try:
            if found > 0 or (self._intake.again and not found):
                self._counters.events += found
                self._intake.serve()
            if self._pending:
                self._agenda.run_tasks()
            if self._planned:
                self._agenda.run_timers()
            outbox = self._outbox
            if outbox.size or outbox.producers:
                if self._planned and self._site.time - self._began > STALL:
                    self.note_stall()
                outbox.flush()
            if self._aftermath.unsettled:
                self._aftermath.settle()
        except MemoryError as error:  # for no connection in particular: those have guards of their own
            self._intake.look_everywhere()
            self._bear(error, longest, goes_on)

    def end(self) -> None:
        """Ends the turn for who measures it: when the next wait begins, at the latest."""
        if self._counters.meter is not None:
            self._counters.meter.end_turn()

    def look_again(self, due: float) -> None:
        """Has the poller tell what it knows, unless it was asked after some time already; serves that.

        A wait that was over before a deadline, or that was interrupted, says nothing about it. And some
        sockets have what has come only when the poller has been asked, as those of io_uring.
        """
        if self._asked >= due:
            return
        self._asked = self._clock()
        if self._outbox.size or self._outbox.producers:
            self._site.time = self._asked
            self.note_stall()
            self._outbox.flush_early()  # it may hold views of the arena
        with suppress(OSError):  # the next turn meets it again
            found = self._intake.wait(0.0)
            self._counters.events += found
            if found:
                self._intake.serve()

    def note_stall(self) -> None:
        """Has the idle clocks of those who have written begin now, if what they wrote waited for others."""
        now = self._site.time
        if now - self._began > STALL:
            for writer in self._outbox.writers():
                if writer.deadlines is not None:
                    writer.deadlines.left(self._began, now)

    def _bear(self, error: BaseException, longest: float | None, goes_on: bool) -> None:
        """Backs off after a turn that has failed, or raises what it has if it fails for good.

        So trouble that passes, such as a lack of memory, costs no connection, and an error that stays does
        not make the loop spin for ever.
        """
        self._patience -= 1
        if isinstance(error, (ValueError, AssertionError)) or not self._patience:
            raise error
        if not isinstance(error, Exception):
            if not goes_on:  # who hosts the loop may be meant, by a KeyboardInterrupt
                raise error
            self._site.charge(None, error)
        elif times := self._complaints.due():
            self._site.logger.error(
                "a turn of loop %d has failed: %r (%d times)", self._site.index, error, times
            )
        pause = _BACK_OFF * 2 ** (_PATIENCE - self._patience)
        self._site.machine.sleep(pause if longest is None else min(pause, longest))

    def next_due(self) -> float | None:
        """Returns when the next round is due though nothing is ready; see ``Loop.next_deadline``.

        From here on the loop counts as sleeping: who gives it a task wakes its poller.
        """
        self.sleep = []
        outbox = self._outbox  # written to between two turns, by who hosts the loop
        if outbox.size or outbox.producers:
            return self._clock()
        if self._pending or self._intake.again or self._aftermath.unsettled:
            return self._clock()
        return self._agenda.next_time()

    def _until_next_timer(self) -> float | None:
        when = self._agenda.next_time()
        self._asked = now = self._clock()
        return None if when is None else max(when - now, 0.0)
