"""The life of an engine: new, starting, running, stopping, stopped, once."""

from __future__ import annotations

import enum

from netcore._latch import Latch
from netcore._machine import REAL, Machine
from netcore.errors import EngineNotRunningError

__all__ = ["Lifecycle", "Phase"]

_LOOK = 1.0
"""Seconds between two looks while waiting: a wait is not interrupted by signals on every platform."""


class Phase(enum.Enum):
    """Where an engine is in its life; the value ends the sentence "this engine ...".

    One that is FORKED was abandoned: it lives on somewhere else, as in the parent of a forked process.
    """

    __hash__ = object.__hash__  # in C, so that nothing can come in between in a set of them

    NEW = "has not been started"
    STARTING = "is starting"
    RUNNING = "is running"
    STOPPING = "is stopping"
    STOPPED = "has stopped"
    FORKED = "is not here"


_LATEST_FIRST = (Phase.FORKED, Phase.STOPPED, Phase.STOPPING, Phase.RUNNING, Phase.STARTING, Phase.NEW)


class Lifecycle:
    """Keeps the phase of an engine and counts its loops. Any thread, signal handlers and finalizers too.

    These may come in between any two steps, on a thread that is here already. So there is no lock: phases are
    only ever added, the latest counts, and who takes the one step from one to the next is who is first to put
    something into a dictionary, or takes it out of a list.

    Args:
        machine: Whose clock and threads it goes by.

    Attributes:
        stop_asked: Whether the end was asked for; while it is starting, that comes right after.
        leaving_since: When it was noted that it is about to stop, by the machine's clock; None before.
        stopping_since: When it began to stop, likewise.
        ending_since: When its last loop had ended, likewise.
    """

    def __init__(self, machine: Machine = REAL) -> None:
        self._machine = machine
        self.stop_asked = False
        self.leaving_since: float | None = None
        self.stopping_since: float | None = None
        self.ending_since: float | None = None
        self._reached = {Phase.NEW}
        self._takers: dict[str, object] = {}
        self._loops: list[int] | None = None
        self._over = False
        self._end = machine.make(Latch)
        self._going = machine.make(Latch)  # opened when it is about to stop
        self._starting_thread: int | None = None
        self._ending_thread: int | None = None

    @property
    def phase(self) -> Phase:
        """The present one."""
        reached = self._reached
        return next(phase for phase in _LATEST_FIRST if phase in reached)

    @property
    def state(self) -> str:
        """The present one, as the end of the sentence "this engine ..."."""
        phase = self.phase
        return self._machine.elsewhere if phase is Phase.FORKED else phase.value

    def check_running(self, method: str) -> None:
        """Raises EngineNotRunningError, naming the method that was called, unless running."""
        phase = self.phase
        if phase is not Phase.RUNNING:
            raise EngineNotRunningError(f"{method} needs a running engine, and this one {self.state}")

    def begin(self, mark: object) -> None:
        """Leaves NEW for STARTING; RuntimeError from any other phase.

        Args:
            mark: What nobody else has; see ``was_begun``.
        """
        if not self._take("start", mark):
            raise RuntimeError(f"this engine {self.state}, and an engine runs once")
        self._starting_thread = self._machine.thread_id()
        self._reached.add(Phase.STARTING)

    def was_begun(self, mark: object) -> bool:
        """Whether it was ``begin`` with this mark that has left NEW, however far it has come."""
        return self._takers.get("start") is mark

    def expect(self, loops: int) -> None:
        """So many loops are about to run, and each of them to end; said twice it counts once."""
        if self._loops is None:
            self._loops = list(range(loops))

    def started(self) -> None:
        """Leaves STARTING for RUNNING."""
        self._starting_thread = None
        self._reached.add(Phase.RUNNING)

    def begin_leaving(self) -> bool:
        """Notes that a running engine is about to stop; returns whether this call did, and sees to it."""
        if self._over or Phase.STOPPING in self._reached or Phase.RUNNING not in self._reached:
            return False
        if not self._take("leave"):
            return False
        self.leaving_since = self._machine.monotonic()
        self._go()
        return True

    def begin_stopping(self, although_starting: bool = False) -> bool:
        """Leaves RUNNING for STOPPING.

        Args:
            although_starting: Do so from STARTING as well: the start has failed.

        Returns:
            Whether it is stopping now, and the loops are to be told. They take it well to be told again: an
            earlier call may have been interrupted, by this one, before it has told them.
        """
        # Before the phase is looked at, and start() does these in the other order: one of two sees the other.
        self.stop_asked = True
        if self._over or not (although_starting or Phase.RUNNING in self._reached):
            return False
        if self.stopping_since is None:
            self.stopping_since = self._machine.monotonic()
        self._reached.add(Phase.STOPPING)
        self._go()
        return True

    def give_up(self) -> bool:
        """Leaves NEW for STOPPED; returns whether this call did."""
        if not self._take("start"):
            return False
        self._reached.add(Phase.STOPPED)
        return True

    def loop_ended(self) -> bool:
        """Counts a loop off; returns whether it was the last, whose thread then does what ends the engine."""
        if not self._loops:  # it was never expected to run
            return False
        last = self._loops.pop() == 0
        if last:
            self._reached.add(Phase.STOPPED)
            self.ending_since = self._machine.monotonic()
            self._ending_thread = self._machine.thread_id()
        return last

    def abandon(self) -> bool:
        """Leaves the phases of a life for FORKED, in a forked child; returns whether there was a life."""
        if self._over or self.phase is Phase.NEW:
            return False
        self._reached.add(Phase.FORKED)
        self._loops = None
        self._starting_thread = self._ending_thread = None
        self._over = True  # a thread that could end it does not exist here
        self._go()
        return True

    def finish(self) -> None:
        """Lets those go on who wait for the end."""
        self._starting_thread = self._ending_thread = None
        if self._take("finish"):
            self._reached.add(Phase.STOPPED)
            self._over = True
            self._end.open()
            self._go()

    def holds_up(self) -> int | None:
        """Returns the identifier of the thread that is in the midst of ending the engine; None if none is."""
        return self._ending_thread

    def on_own_thread(self) -> bool:
        """Tells whether the calling thread would wait for itself: it starts the engine, or ends it."""
        return self._machine.thread_id() in (self._starting_thread, self._ending_thread)

    def wait_leaving(self, timeout: float) -> bool:
        """Waits until it is about to stop, so many seconds at most; returns whether it is, or has."""
        self._going.wait(timeout)
        return "go" in self._takers

    def wait(self, timeout: float | None) -> bool:
        """Waits for the end, so many seconds at most; returns whether it has come."""
        deadline = None if timeout is None else self._machine.monotonic() + timeout
        while not self._over:
            left = _LOOK if deadline is None else min(deadline - self._machine.monotonic(), _LOOK)
            if left <= 0:
                # A time-out of zero is a question: whoever ends the engine may be about to.
                return self._over
            self._end.wait(left)
        return True

    def _go(self) -> None:
        """Lets those go on who wait for it to be about to stop."""
        if self._take("go"):
            self._going.open()

    def _take(self, step: str, taker: object = None) -> bool:
        taker = taker or object()
        return self._takers.setdefault(step, taker) is taker
