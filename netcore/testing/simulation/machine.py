"""The machine that netcore finds on a simulated host."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

from netcore._latch import Latch
from netcore._machine import Machine, current
from netcore.engine.process import track as track_engine
from netcore.engine.threads import LoopThreads
from netcore.engine.watchdog import Watchdog
from netcore.errors import UnsupportedOperationError
from netcore.eventloop import AccessLog
from netcore.eventloop.log_writer import LogWriter
from netcore.eventloop.reserve import Reserve
from netcore.eventloop.thrift import Thrift
from netcore.poll import Poller, Readiness, open_with
from netcore.sockets import PureSockets, Resolver, Sockets, open_sockets
from netcore.testing.conformance.surroundings import Surroundings
from netcore.testing.faulty_sockets import FaultySockets
from netcore.testing.simulation.actors import LoopActors, Stage
from netcore.testing.simulation.coroutines.roll import Coroutines, variant
from netcore.testing.simulation.net.handles import kernel_of
from netcore.testing.simulation.net.linux import FACTS
from netcore.testing.simulation.net.sockets import RealSocket, SimulatedSocket
from netcore.testing.simulation.parts import (
    HeldDescriptor,
    Jobs,
    NoThrift,
    NoWatchdog,
    PlainAccessLog,
    PlainLogWriter,
    WorldFuture,
    WorldLatch,
    track,
)
from netcore.testing.simulation.poller import HostPoller
from netcore.testing.simulation.surroundings import SimulatedSurroundings
from netcore.worker.process import track as track_pool
from netcore.worker.threads import Threads

if TYPE_CHECKING:
    from netcore.handler import EventHandler
    from netcore.testing.fault_plan import FaultPlan
    from netcore.testing.simulation.net.kernel import Kernel
    from netcore.testing.simulation.net.names import Names
    from netcore.testing.simulation.scheduler import Scheduler
    from netcore.testing.simulation.trace import Trace

__all__ = ["SimulatedMachine"]

_T = TypeVar("_T")

_TROUBLE = int(Readiness.HANGUP | Readiness.ERROR)

_CPUS = (0, 1)
"""What ``Options.multicore`` and the pool of workers go by: two, wherever the simulation runs."""


class _Host(Stage, Protocol):
    """What is asked of the host."""

    name: str
    kernel: Kernel
    faults: FaultPlan

    def perform_job(self, job: Callable[[], object]) -> None: ...

    def noted(self, handler: EventHandler) -> EventHandler: ...

    def resolver(self, *_: object) -> Any: ...


class _World(Protocol):
    """What is asked of the world."""

    names: Names
    scheduler: Scheduler
    trace: Trace

    def thread_id(self) -> int: ...

    def sleep(self, seconds: float) -> None: ...

    def interrupt(self, error: BaseException) -> None: ...

    def forbid(self, what: str, instead: str = "") -> NoReturn: ...

    def raised(self, error: Exception, host: str, what: str) -> None: ...

    def wait(self, predicate: Callable[[], bool], timeout: float | None, what: str) -> bool: ...


class SimulatedMachine(Machine):
    """The clocks and threads of a host, from its start to its crash.

    Args:
        world: Where it is.
        host: Whose it is.

    Attributes:
        scheduler: The world's.
        names: Likewise.
        kernel: The host's.
        coroutines: The loops of asyncio that are on it.
    """

    simulated = True
    facts = FACTS
    elsewhere = "was on a host that has crashed since"

    def __init__(self, world: _World, host: _Host) -> None:
        self._host = host
        self._world = world
        self.scheduler: Scheduler = world.scheduler
        self.names: Names = world.names
        self.kernel: Kernel = host.kernel
        self.coroutines: Coroutines = Coroutines()
        self.monotonic: Callable[[], float] = host.clock.__call__
        self.thread_id: Callable[[], int] = world.thread_id
        self.sleep: Callable[[float], None] = world.sleep
        self.next_id: Callable[[], int] = itertools.count(1).__next__
        self._jobs: list[weakref.ref[Jobs]] = []
        self._parts: dict[Callable[..., Any], Callable[..., Any]] = {
            Latch: partial(WorldLatch, world.wait),
            Future: partial(WorldFuture, world.wait),
            LoopThreads: partial(LoopActors, host, world.wait),
            Threads: self._open_jobs,
            LogWriter: PlainLogWriter,
            AccessLog: PlainAccessLog,
            Watchdog: lambda *_: NoWatchdog(),
            Thrift: lambda *_: NoThrift(),
            Resolver: host.resolver,
            Reserve: partial(HeldDescriptor, host.kernel),
            Surroundings: partial(SimulatedSurroundings, host.kernel, host.perform_job),
            open_with: self._open_poller,
            open_sockets: self._open_sockets,
            track_engine: track,
            track_pool: track,
        }

    def in_trouble(self, fd: int) -> bool:
        """See ``Machine.in_trouble``."""
        return bool(self.kernel.endpoint(fd).readiness() & _TROUBLE)

    def is_blocking(self, fd: int) -> bool:
        """See ``Machine.is_blocking``."""
        return self.kernel.file(fd).blocks

    def descriptors_taken(self, fd: int) -> float:
        """See ``Machine.descriptors_taken``: the host counts its own, whatever their numbers are."""
        limit = self.kernel.descriptor_limit
        return self.kernel.descriptor_count / limit if limit else 0.0

    def usable_cpus(self) -> tuple[int, ...]:
        """See ``Machine.usable_cpus``."""
        return _CPUS

    def usable_cpu_count(self) -> int:
        """See ``Machine.usable_cpu_count``."""
        return len(_CPUS)

    def callbacks(self, handler: Any) -> Any:
        """See ``Machine.callbacks``."""
        return self._host.noted(handler)

    def serve_until_signalled(self, what: str) -> None:
        """See ``Machine.serve_until_signalled``: no signal comes to a host."""
        self._world.forbid(what, "Host.engine")

    def check_socket(self, sock: object) -> None:
        """See ``Machine.check_socket``."""
        if isinstance(sock, SimulatedSocket):
            if kernel_of(sock) is not self.kernel:
                raise UnsupportedOperationError(f"{sock!r} is not of host {self._host.name!r}")
            if current() is not self:
                raise UnsupportedOperationError(f"this is for a `with` block of host {self._host.name!r}")
        elif isinstance(sock, RealSocket):
            raise UnsupportedOperationError(f"{sock!r} is a real one, and not of host {self._host.name!r}")

    def exiting(self, error: BaseException) -> None:
        """See ``Machine.exiting``. An exit is the program's own; what else it is, is the test's."""
        if not isinstance(error, SystemExit):
            self._world.interrupt(error)

    def raised(self, error: Exception, what: str) -> None:
        """See ``Machine.raised``."""
        self._world.raised(error, self._host.name, what)

    def variant(self, kind: type[_T]) -> type[_T]:
        """See ``Machine.variant``."""
        chosen: type[_T] = variant(kind)
        return chosen

    def make(self, part: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """See ``Machine.make``."""
        return self._parts.get(part, part)(*args, **named)

    @property
    def jobs(self) -> list[Jobs]:
        """What stands for the threads of pools that are still there, the oldest first."""
        return [each for each in (jobs() for jobs in self._jobs) if each is not None]

    def _open_jobs(self, limit: int, name: str) -> Jobs:
        made = Jobs(self._host.kernel, self._host.perform_job, limit, name)
        self._jobs = [known for known in self._jobs if known() is not None]
        self._jobs.append(weakref.ref(made))
        return made

    def _open_poller(self, opener: Callable[[], Poller]) -> HostPoller:
        return HostPoller(self._host.kernel, self._host.faults)

    def _open_sockets(self, receive_cap: int, poller: HostPoller) -> Sockets:
        sockets = PureSockets(receive_cap, max(1 << 18, 4 * receive_cap))
        return FaultySockets(sockets, self._host.faults, poller)
