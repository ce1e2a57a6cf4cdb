"""A simulated host: what runs on it, its clock, and its end and beginning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from zlib import crc32

from netcore.address import Address
from netcore.engine import Client, Engine
from netcore.handler import Conn, EventHandler
from netcore.options import Options
from netcore.testing.fault_plan import FaultPlan
from netcore.testing.recording import RecordingHandler
from netcore.testing.simulation import current
from netcore.testing.simulation.actors import Actor
from netcore.testing.simulation.arguments import whole
from netcore.testing.simulation.callbacks import NotedHandler
from netcore.testing.simulation.clock import HostClock
from netcore.testing.simulation.coroutines.program import Program
from netcore.testing.simulation.coroutines.programs import Main, Programs
from netcore.testing.simulation.coroutines.roll import Coroutines
from netcore.testing.simulation.errors import SimulationError
from netcore.testing.simulation.machine import SimulatedMachine
from netcore.testing.simulation.net.kernel import Kernel
from netcore.testing.simulation.waiting import some, task_waits

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from netcore.overrides import OptionOverrides
    from netcore.testing.simulation.scheduler import Scheduler
    from netcore.testing.simulation.world import Inhabitant, World

__all__ = ["Host"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Served:
    """An engine that the host has been given, as it is made again after a crash."""

    engine: Engine
    handler: EventHandler
    options: Options


class Host:
    """A host of a simulation; ``Simulation.host`` makes it. A context manager: code in the block is its own.

    On the thread of the simulation.

    Attributes:
        name: What others dial it by.
        clock: Its clocks, which may be skewed and jump.
        falling: Whether it is about to crash, when the code that has asked for that has returned.
        recorded: What has happened to connections that were dialled without a handler.
    """

    def __init__(self, world: World[Host], name: str, index: int) -> None:
        """Made by ``Simulation.host``.

        Args:
            world: Where it is.
            name: What others dial it by.
            index: Its number.
        """
        self.name = name
        self.clock: HostClock = HostClock(lambda: world.scheduler.now, index, self._clock_changed)
        self._faults = FaultPlan(seed=crc32(f"{world.seed!r} {name}".encode()))
        self.falling: bool = False
        self.recorded: RecordingHandler = RecordingHandler()
        self._world = world
        self._actors: dict[Actor, None] = {}
        self._served: list[_Served] = []
        self._engines: list[Engine] = []
        self._clients: list[tuple[Client, EventHandler]] = []
        self._entered: list[tuple[Inhabitant | None, int]] = []
        self._worlds: list[Any] = []
        self.kernel: Kernel = Kernel(world.network, name)
        self.machine: SimulatedMachine = SimulatedMachine(world, self)
        self._programs = Programs(name, self, world.trace, world.wait)
        self._wreckage: list[Coroutines] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}{'' if self.up else ', crashed'}>"

    def __enter__(self) -> Host:
        """Has the block be code of this host: the sockets that it makes are the host's.

        Raises:
            SimulationError: It is closed, or not on this thread; or one runs on another thread.
        """
        world = self._world
        world.check_usable()
        world.outside.__enter__()
        self._worlds.append(current.enter(world))
        self._entered.append(world.enter(self, 0))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends the block."""
        world = self._world
        world.enter(*self._entered.pop())
        current.enter(self._worlds.pop())
        world.outside.__exit__()

    @property
    def up(self) -> bool:
        """Whether it runs: it has not crashed, or was restarted since."""
        return self.kernel.alive

    @property
    def address(self) -> str:
        """Its IPv4 address."""
        return self.kernel.addresses[0]

    @property
    def descriptor_limit(self) -> int | None:
        """How many sockets may be open on it, above which a call fails with EMFILE; None for any number.

        Raises:
            TypeError: What it is set to is no int.
            ValueError: It is negative.
        """
        return self.kernel.descriptor_limit

    @descriptor_limit.setter
    def descriptor_limit(self, limit: int | None) -> None:
        if limit is not None:
            whole(limit, "descriptor_limit", 0)
        self.kernel.descriptor_limit = limit

    @property
    def faults(self) -> FaultPlan:
        """What goes wrong with its sockets and pollers, beside the net: nothing at first.

        Another plan is that of engines which are started later.

        Raises:
            TypeError: What it is set to is no ``FaultPlan``.
        """
        return self._faults

    @faults.setter
    def faults(self, plan: FaultPlan) -> None:
        if not isinstance(plan, FaultPlan):
            raise TypeError(f"faults is {plan!r}: it must be a FaultPlan")
        self._faults = plan

    # What runs on it.

    def engine(
        self,
        handler: EventHandler,
        *addresses: str | Address,
        options: Options | None = None,
        **overrides: Unpack[OptionOverrides],
    ) -> Engine:
        """Starts an engine on the host; see ``netcore.Engine``. A restart starts it anew.

        Raises:
            SimulationError: The host has crashed, or the options ask for an admin server.
            Exception: What ``Engine`` and its ``start`` raise.
        """
        self._check_up()
        with self:
            engine = Engine(handler, *addresses, options=options, **overrides)
            _check_simulable(engine.options)
            engine.start()
        self._engines.append(engine)
        self._served.append(_Served(engine, handler, engine.options))
        return engine

    def client(
        self,
        handler: EventHandler,
        options: Options | None = None,
        **overrides: Unpack[OptionOverrides],
    ) -> Client:
        """Starts a client on the host; see ``netcore.Client``.

        Its ``dial`` waits, and so is for the test's own code: the world goes on meanwhile. In a handler it is
        ``client.engine.dial``, as ever.

        Raises:
            SimulationError: The host has crashed.
            Exception: What ``Client`` and its ``start`` raise.
        """
        self._check_up()
        with self:
            client = Client(handler, options=options, **overrides)
            _check_simulable(client.engine.options)
            client.start()
        self._engines.append(client.engine)
        self._clients.append((client, handler))
        return client

    def dial(
        self,
        address: str | Address,
        context: object = None,
        timeout: float | None = None,
        *,
        handler: EventHandler | None = None,
        **named: Any,
    ) -> Future[Conn]:
        """Connects to an address, with a client of its own; see ``netcore.Engine.dial``.

        Args:
            address: Where to.
            context: See there.
            timeout: See there, in seconds of the host's clock.
            handler: What serves the connection; None for that of the host's latest client, or for
                ``recorded`` if it has none.
            named: See there.

        Returns:
            What gets the connection. Its ``result`` has the world go on until there is one.
        """
        client = self._client_for(handler)
        with self:
            return client.engine.dial(address, context, timeout, **named)

    def _client_for(self, handler: EventHandler | None) -> Client:
        client: Client
        for client, known in reversed(self._clients):
            if client.engine.running and (handler is None or handler is known):
                return client
        return self.client(self.recorded if handler is None else handler)

    def program(self, main: Main[_T], *args: Any, name: str = "") -> Program[_T]:
        """Runs a program of asyncio on the host, as ``netcore.aio.run`` does; a restart runs it anew.

        It has an event loop and a thread of its own, and begins when the world goes on.

        Args:
            main: A coroutine function, or a coroutine, which a restart cannot run a second time.
            args: What the function is called with, at each start.
            name: What it is called in traces and messages; empty for the function's name.

        Returns:
            What knows its result.

        Raises:
            SimulationError: The host has crashed.
            TypeError: That is neither a coroutine nor a function that makes one.
            Exception: What the function raises.
        """
        self._check_up()
        return self._programs.begin(main, args, name)

    @property
    def programs(self) -> tuple[Program[Any], ...]:
        """The programs that were begun since the host was started, in this order."""
        return self._programs.all

    # Its end, and its beginning.

    def crash(self) -> None:
        """Ends all that runs on the host at once, without a word: peers see silence. Idempotent.

        If code of the host itself asks for it, it happens when that has returned.
        """
        if not self.up:
            return
        self.falling = self._world.afterwards(self, self.crash)
        if self.falling:
            return
        self._world.trace.add("crash", self.name)
        self._served = [each for each in self._served if not each.engine.stopping]
        self.end()

    def end(self) -> None:
        """Ends all that runs on the host, as a crash does: at its end, and at that of the world.

        :meta private:
        """
        self.kernel.crash()
        for actor in list(self._actors):
            actor.end()
        for engine in self._engines:
            engine.abandon()
        self._programs.crash()
        self.machine.coroutines.abandon()
        self._wreckage.append(self.machine.coroutines)
        self._engines.clear()
        self._clients.clear()

    def restart(self, *handlers: EventHandler) -> list[Engine]:
        """Starts the host again after a crash, or crashes it first: peers that are still there get a RST.

        If code of the host itself asks for it, it happens when that has returned.

        The engines that it was given start anew where they were, and with the options that they had. So do
        the programs that the crash has ended, unless they were given as coroutines; see ``programs``.

        Args:
            handlers: For each engine a handler, which has what state is left after a crash, as that of a
                disk; the others keep the one that they had, with all that is in it.

        Returns:
            The new engines; none yet if it happens later.

        Raises:
            SimulationError: The simulation is closed.
            ValueError: These are more handlers than there are engines.
        """
        self._world.check_usable()
        served = [each for each in self._served if not each.engine.stopping]
        if len(handlers) > len(served):
            many = f"{len(handlers)} handlers are given, and {len(served)} engines are to be started"
            raise ValueError(f"{many} on host {self.name!r}")
        if self._world.afterwards(self, partial(self.restart, *handlers)):
            return []
        self.crash()
        self._served.clear()
        world = self._world
        world.trace.add("restart", self.name)
        limit = self.descriptor_limit
        self.kernel = Kernel(world.network, self.name)
        self.descriptor_limit = limit
        self.machine = SimulatedMachine(world, self)
        started = []
        for i, each in enumerate(served):
            handler = handlers[i] if i < len(handlers) else each.handler
            started.append(self.engine(handler, *each.engine.addresses, options=each.options))
        self._programs.restart()
        return started

    def _check_up(self) -> None:
        self._world.check_usable()
        if not self.up:
            raise SimulationError(f"host {self.name!r} has crashed: restart it first")

    def _clock_changed(self, how: str) -> None:
        self._world.trace.add("jump", self.name, detail=how)
        for actor in list(self._actors):
            actor.clock_changed()

    # What its parts ask.

    @property
    def scheduler(self) -> Scheduler:
        """See ``Stage.scheduler``.

        :meta private:
        """
        return self._world.scheduler

    @property
    def actors(self) -> Sequence[Actor]:
        """What stands for its threads.

        :meta private:
        """
        return tuple(self._actors)

    def adopt(self, actor: Actor) -> None:
        """See ``Stage.adopt``.

        :meta private:
        """
        actor.number = self._world.next_ident()
        self._actors[actor] = None

    def dismiss(self, actor: Actor) -> None:
        """See ``Stage.dismiss``.

        :meta private:
        """
        self._actors.pop(actor, None)

    def perform(self, actor: Actor, step: Callable[[], object]) -> None:
        """See ``Stage.perform``.

        :meta private:
        """
        self._act_as(actor.number, step)

    def perform_job(self, job: Callable[[], object]) -> None:
        """Runs a job of a worker pool.

        :meta private:
        """
        self._act_as(self._world.next_ident(), job)

    def _act_as(self, ident: int, action: Callable[[], object]) -> None:
        world = self._world
        before = world.enter(self, ident)
        try:
            action()
        finally:
            world.enter(*before)

    def waits(self) -> list[str]:
        """Says what its code waits for.

        :meta private:
        """
        if not self.up:
            return []
        lines: list[str] = []
        told: set[int] = set()
        for actor in self._actors:
            lines.append(f"{actor.name}: {actor.waits()}")
            lines += [f"  {each}" for each in actor.details()]
            told.update(actor.descriptors())
        lines += some([task_waits(task) for task in self.machine.coroutines.tasks()], "tasks")
        lines += [jobs.waits() for jobs in self.machine.jobs if jobs.unfinished]
        fds = [fd for fd in self.kernel.network.descriptors.of(self.name) if fd not in told]
        others = [f"socket {fd}: {waits}" for fd in fds if (waits := self.kernel.endpoint(fd).waits())]
        return [*lines, *some(others, "sockets"), *self._programs.failures()]

    def noted(self, handler: EventHandler) -> EventHandler:
        """Returns a handler whose callbacks are noted in the trace.

        :meta private:
        """
        return NotedHandler(handler, self._world.trace, self.name, self._world.raised)

    def resolver(self, *_: object) -> Any:
        """Makes what looks names up without blocking.

        :meta private:
        """
        return self._world.names.resolver(self.kernel)


def _check_simulable(options: Options) -> None:
    if options.admin:
        raise SimulationError("option admin cannot be simulated: an admin server has a real thread")
