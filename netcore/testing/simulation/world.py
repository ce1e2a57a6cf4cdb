"""The world that hosts are in: its time, its net, and whose code runs."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, NoReturn, Protocol, TypeVar

from netcore import _machine
from netcore.testing.simulation import current
from netcore.testing.simulation.errors import InvariantError, SimulationError, SimulationStuck
from netcore.testing.simulation.net.links import Links
from netcore.testing.simulation.net.names import Names
from netcore.testing.simulation.net.network import Network
from netcore.testing.simulation.outside import Outside, culprit
from netcore.testing.simulation.scheduler import Scheduler
from netcore.testing.simulation.stuck import explain
from netcore.testing.simulation.trace import Trace

if TYPE_CHECKING:
    from netcore._machine import Machine
    from netcore.testing.simulation.clock import HostClock
    from netcore.testing.simulation.net.kernel import Kernel

__all__ = ["World"]

HostT = TypeVar("HostT", bound="Inhabitant")

_LAST = 12
"""Events that the message about an invariant shows."""

_MOST_ERRORS = 1000
"""Exceptions that are kept, with all that their tracebacks hold."""

_SPINS = 1_000_000
"""So many events at one and the same moment are no world that goes on, nor are so many waits without any."""


class Inhabitant(Protocol):
    """What a world knows of a host."""

    name: str
    clock: HostClock
    kernel: Kernel

    @property
    def machine(self) -> Machine: ...

    @property
    def up(self) -> bool: ...

    def end(self) -> None: ...

    def waits(self) -> list[str]: ...


class World(Generic[HostT]):
    """What the parts of a simulation have in common. On one thread.

    Args:
        seed: See ``Simulation``.
        trace_limit: See there.

    Attributes:
        host: Whose code runs; None for the test's own.
        ident: The number of the thread that it runs on, as ``thread_id`` gives it; 0 for the test's own.
        kernel: The host's; None without one.
        inside: Whether an event is happening, so that nothing may block.
        invariants: What has to hold after every event: names, and what returns whether it does.
        errors: What code of hosts has raised that nobody has caught, the first of it.
        closed: Whether it goes on no more.
    """

    def __init__(self, seed: int | str | bytes, trace_limit: int | None) -> None:
        if isinstance(seed, bool) or not isinstance(seed, (int, str, bytes)):
            raise TypeError(f"seed is {seed!r}: it must be an int, text or bytes")
        self.seed = seed
        self.scheduler: Scheduler = Scheduler(seed)
        self.trace: Trace = Trace(self.scheduler, trace_limit, seed)
        self.links: Links = Links(self.scheduler, self.trace)
        self.network: Network = Network(self.scheduler, self.trace, self.links)
        self.names: Names = Names(self.scheduler, self.network)
        self.hosts: dict[str, HostT] = {}
        self.invariants: list[tuple[str, Callable[[], object]]] = []
        self.errors: list[Exception] = []
        self.host: Inhabitant | None = None
        self.ident: int = 0
        self.kernel: Kernel | None = None
        self.inside: bool = False
        self.closed: bool = False
        self._violation: BaseException | None = None
        self._in_vain = 0
        self._afterwards: list[Callable[[], object]] = []
        self._thread = threading.get_ident()
        self._last_ident = 0
        self.outside: Outside = Outside(self)

    # Whose code runs.

    def next_ident(self) -> int:
        """Returns the number of a new thread."""
        self._last_ident += 1
        return self._last_ident

    def thread_id(self) -> int:
        """Returns the number of the thread that runs; 0 for the test's own."""
        return self.ident

    def enter(self, host: Inhabitant | None, ident: int) -> tuple[Inhabitant | None, int]:
        """Makes a host's code the one that runs; returns what is to be entered again after that."""
        before = self.host, self.ident
        self.host = host
        self.ident = ident
        if host is None:
            self.kernel = None
            _machine.enter(_machine.REAL)
        else:
            self.kernel = host.kernel
            _machine.enter(host.machine)
        return before

    def monotonic(self) -> float:
        """Returns the time of the monotonic clock of the host whose code runs, else the virtual time."""
        return self.scheduler.now if self.host is None else self.host.clock()

    def wall_time(self) -> float:
        """Returns the time of its wall clock, likewise."""
        return self.scheduler.now if self.host is None else self.host.clock.time()

    def sleep(self, seconds: float) -> None:
        """Does what ``time.sleep`` does: outside of events the world goes on meanwhile."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        if seconds > 0:
            self.wait(lambda: False, seconds, f"time.sleep({seconds!r})")

    def here(self) -> bool:
        """Whether the calling thread is the world's. Any thread."""
        return threading.get_ident() == self._thread

    def forbid(self, what: str, instead: str = "") -> NoReturn:
        """Refuses what would reach the real world, or stop this one; the run ends with that.

        Args:
            what: That.
            instead: What to use, if there is something.

        Raises:
            SimulationError: Always.
        """
        where = culprit(sys._getframe(1))
        host = f" on host {self.host.name!r}" if self.host is not None else ""
        hint = f"; use {instead}" if instead else ""
        error = SimulationError(f"{what} cannot be simulated{host}: {where}{hint}")
        self.interrupt(error)
        raise error

    def interrupt(self, error: BaseException) -> None:
        """Has the run end with an error after this event, be it that somebody catches it before."""
        if self.inside and self._violation is None:
            self._violation = error

    def raised(self, error: Exception, host: str, what: str) -> None:
        """Notes what a host's code has raised, and nobody has caught."""
        self.trace.add("error", host, detail=f"{what} {type(error).__name__}")
        if len(self.errors) < _MOST_ERRORS:
            self.errors.append(error)

    def afterwards(self, host: Inhabitant, action: Callable[[], object]) -> bool:
        """Has something done to a host at the end of the event, if it is its own code that asks for it.

        Returns:
            Whether that is so; else nothing happens.
        """
        if not self.inside or self.host is not host:
            return False
        self._afterwards.append(action)
        return True

    # How it goes on.

    def wait(self, predicate: Callable[[], bool], timeout: float | None, what: str) -> bool:
        """See ``current.wait``."""
        if predicate():
            return True
        if timeout is not None and timeout <= 0:
            return False
        if self.inside:
            self.forbid(f"{what} blocks, which in a callback, job or task stops the world, and so")
        has_come = self.go_on(predicate, self._after(timeout), what)
        if has_come or self.scheduler.next_time() is not None:
            self._in_vain = 0
        else:
            self._in_vain += 1
            if self._in_vain > _SPINS:
                why = "a million waits one after the other, and nothing is left to happen"
                raise self._stuck(what, why)
        return has_come

    def _after(self, timeout: float | None) -> float | None:
        """Returns the virtual time after so many seconds of the host whose code runs; None for never."""
        if timeout is None or timeout == math.inf:
            return None
        return self.scheduler.now + timeout if self.host is None else self.host.clock.after(timeout)

    def go_on(self, predicate: Callable[[], bool], until: float | None, what: str) -> bool:
        """Has events happen until something holds, or some time has come; returns whether it holds.

        Raises:
            SimulationStuck: There is no such time, and nothing is left to happen.
            SimulationError: An event has done what cannot be simulated.
            InvariantError: What has to hold always does not.
        """
        __tracebackhide__ = True  # pytest's: what is of interest is the test's line, and the host's
        self.check_usable()
        if self.inside:
            self.forbid(f"{what} has the world go on, which an event is part of, and so")
        scheduler = self.scheduler
        host, ident = self.host, self.ident
        spins, last = 0, scheduler.now
        with self.outside:
            before = current.enter(self)
            try:
                while not predicate():
                    when = scheduler.next_time()
                    if when is None:
                        if until is None:
                            raise self._stuck(what, "nothing is left to happen")
                        scheduler.advance(until)
                        return predicate()
                    if until is not None and when > until:
                        scheduler.advance(until)
                        return predicate()
                    self._step()
                    if scheduler.now != last:
                        spins, last = 0, scheduler.now
                    else:
                        spins += 1
                        if spins > _SPINS:
                            raise self._stuck(what, "a million events have passed, and no time has")
                return True
            finally:
                current.enter(before)
                self.enter(host, ident)

    def _stuck(self, what: str, why: str) -> SimulationStuck:
        """Returns what is raised where the world does not go on; it names the line that waits."""
        where = culprit(sys._getframe(1))
        return SimulationStuck(explain(self, f"{what}: {why} for {where}"))

    def _step(self) -> None:
        __tracebackhide__ = True
        self.inside = True
        try:
            self.scheduler.step()
        except BaseException as error:
            self._raise_violation(error)
            raise
        finally:
            self.inside = False
        while self._afterwards:
            self._afterwards.pop(0)()
        if self._violation is not None:
            self._raise_violation(None)
        if self.invariants:
            self._check_invariants()

    def _raise_violation(self, instead_of: BaseException | None) -> None:
        """Raises what code of a host has been refused, be it that it has made something else of it."""
        __tracebackhide__ = True
        violation, self._violation = self._violation, None
        if violation is not None and violation is not instead_of:
            raise violation from instead_of

    def _check_invariants(self) -> None:
        __tracebackhide__ = True
        self.inside = True
        try:
            for name, check in tuple(self.invariants):
                try:
                    holds: object = check()
                except Exception as error:
                    raise InvariantError(self._broken(name, f": {error}" if str(error) else "")) from error
                if holds is False:
                    raise InvariantError(self._broken(name, ""))
        finally:
            self.inside = False

    def _broken(self, name: str, why: str) -> str:
        count = self.trace.count
        last = self.trace.tail(_LAST)
        self.trace.add("error", detail=f"invariant {name} does not hold")
        after = f"after event {count - 1}" if count else "before the first event"
        where = f"at {self.scheduler.now:.6f} s, {after} (seed {self.seed!r})"
        return f"invariant {name} does not hold {where}{why}\nlast events:\n{last}"

    def close(self) -> None:
        """See ``Simulation.close``."""
        if self.closed:
            return
        self.check_usable()
        if self.inside:
            raise SimulationError("an event of a simulation cannot close it")
        self.closed = True
        for host in self.hosts.values():
            host.end()
        self.scheduler.clear()
        self.invariants.clear()

    def check_usable(self) -> None:
        """Raises SimulationError if it is closed, or this is another thread than its own."""
        if self.closed:
            raise SimulationError("the simulation is closed")
        if not self.here():
            raise SimulationError("a simulation is on one thread, and this is another one")
