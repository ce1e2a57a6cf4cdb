"""The life of an engine: new, starting, running, stopping, stopped, once."""

from __future__ import annotations

import enum
import threading

from netcore._durations import waitable
from netcore.errors import EngineNotRunningError

__all__ = ["Lifecycle", "Phase"]


class Phase(enum.Enum):
    """Where an engine is in its life; the value ends the sentence "this engine ..."."""

    NEW = "has not been started"
    STARTING = "is starting"
    RUNNING = "is running"
    STOPPING = "is stopping"
    STOPPED = "has stopped"
    FORKED = "runs in the process that started it, of which this one is a fork"


class Lifecycle:
    """Keeps the phase of an engine and counts its loops. Any thread.

    Attributes:
        phase: The present one.
        stop_asked: Whether the end was asked for while it was starting, which then comes right after.
    """

    def __init__(self) -> None:
        self.phase = Phase.NEW
        self.stop_asked = False
        self._lock = threading.Lock()
        self._loops_left = 0
        self._ended = threading.Event()
        self._ending_thread: int | None = None

    def check_running(self, method: str) -> None:
        """Raises EngineNotRunningError, naming the method that was called, unless running."""
        if self.phase is not Phase.RUNNING:
            raise EngineNotRunningError(f"{method} needs a running engine, and this one {self.phase.value}")

    def begin(self) -> None:
        """Leaves NEW for STARTING; RuntimeError from any other phase."""
        with self._lock:
            if self.phase is not Phase.NEW:
                raise RuntimeError(f"this engine {self.phase.value}, and an engine runs once")
            self.phase = Phase.STARTING

    def started(self, loops: int) -> None:
        """Leaves STARTING for RUNNING, with so many loops about to run."""
        with self._lock:
            self._loops_left = loops
            self.phase = Phase.RUNNING

    def begin_stopping(self) -> bool:
        """Leaves RUNNING for STOPPING; returns whether this call did."""
        with self._lock:
            if self.phase is Phase.STARTING:
                self.stop_asked = True
            if self.phase is not Phase.RUNNING:
                return False
            self.phase = Phase.STOPPING
            return True

    def give_up(self) -> bool:
        """Leaves NEW for the end; returns whether this call did."""
        with self._lock:
            if self.phase is not Phase.NEW:
                return False
            self.phase = Phase.STOPPED
        return True

    def loop_ended(self) -> bool:
        """Counts a loop off; returns whether it was the last, whose thread then does what ends the engine."""
        with self._lock:
            self._loops_left -= 1
            if self._loops_left or self.phase in (Phase.STARTING, Phase.FORKED):
                return False
            self.phase = Phase.STOPPED
        self._ending_thread = threading.get_ident()
        return True

    def abandon(self) -> bool:
        """Leaves the phases of a life for FORKED, in a forked child; returns whether there was a life."""
        if self.phase in (Phase.NEW, Phase.STOPPED):
            return False
        # A thread that held the lock at the fork does not exist here.
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ended.set()
        self._ending_thread = None
        self.phase = Phase.FORKED
        return True

    def finish(self) -> None:
        """Lets those go on who wait for the end."""
        self.phase = Phase.STOPPED
        self._ending_thread = None
        self._ended.set()

    def on_ending_thread(self) -> bool:
        """Tells whether the calling thread is the one that is ending the engine."""
        return threading.get_ident() == self._ending_thread

    def wait(self, timeout: float | None) -> bool:
        """Waits for the end, so many seconds at most; returns whether it has come."""
        return self._ended.wait(waitable(timeout))
