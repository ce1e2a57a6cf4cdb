"""A simulated world: hosts, what lies between them, and the time that passes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from netcore._durations import seconds
from netcore.testing.simulation.arguments import check_callable, several, whole
from netcore.testing.simulation.drawing import FAULTS, draw_schedule, kinds_of
from netcore.testing.simulation.errors import SimulationStuck
from netcore.testing.simulation.host import Host
from netcore.testing.simulation.net.names import check_host_name
from netcore.testing.simulation.schedule import PlannedFault, Schedule
from netcore.testing.simulation.stuck import explain
from netcore.testing.simulation.trace import Trace
from netcore.testing.simulation.waiting import place_of
from netcore.testing.simulation.world import World

if TYPE_CHECKING:
    import random

    from netcore.testing.simulation.net.links import Number
    from netcore.testing.simulation.net.names import Names
    from netcore.testing.simulation.scheduler import Planned

__all__ = ["Simulation"]

_CheckT = TypeVar("_CheckT", bound=Callable[[], object])

_LIMIT = 3600.0
"""Virtual seconds that a run waits for a condition unless it says so."""


class Simulation:
    """Runs whole applications on a simulated net, in virtual time and on one thread.

    The same seed gives the same trace, on every Python and platform. A simulation is used on the thread that
    has made it. It is a context manager, which closes it in the end.

    Args:
        seed: Decides all that is left to chance: delays, losses, and whose turn it is.
        trace_limit: How many events the trace keeps, the last ones; None for all.

    Attributes:
        seed: As given.
        trace: Every event.
    """

    def __init__(self, seed: int | str | bytes = 0, *, trace_limit: int | None = 100_000) -> None:
        self.seed = seed
        self._world: World[Host] = World(seed, trace_limit)
        self.trace: Trace = self._world.trace

    def __repr__(self) -> str:
        return f"<{type(self).__name__} seed={self.seed!r}, {self.now:.6f} s, {len(self._world.hosts)} hosts>"

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the world: what still runs on its hosts ends as in a crash, and nothing happens any more.

        The trace stays. Idempotent; after a failure, too.

        Raises:
            SimulationError: It is an event of the world that asks for it.
        """
        self._world.close()

    @property
    def now(self) -> float:
        """Virtual seconds since the world began."""
        return self._world.scheduler.now

    @property
    def errors(self) -> tuple[Exception, ...]:
        """What code of the hosts has raised and nobody has caught: the first thousand, in order.

        Of callbacks, planned calls, callbacks of futures, and programs. As elsewhere it goes to ``on_error``
        or the log, and the run goes on. What should fail a test is for the test to say:
        ``simulation.invariant(lambda: not simulation.errors)``.
        """
        return tuple(self._world.errors)

    @property
    def random(self) -> random.Random:
        """The source of randomness, for tests that pick something by the seed."""
        return self._world.scheduler.random

    # What there is.

    def host(self, name: str) -> Host:
        """Returns the host of a name, by which others dial it; makes it if there is none yet.

        Raises:
            TypeError: The name is no text.
            ValueError: It is no host's name as addresses have it, or one that every host has.
            SimulationError: There is none yet, and the simulation is closed.
        """
        world = self._world
        check_host_name(name)
        found = world.hosts.get(name)
        if found is None:
            world.check_usable()
            found = world.hosts[name] = Host(world, name, len(world.hosts))
        return found

    @property
    def names(self) -> Names:
        """What knows all names: others can be added to those of the hosts, and lookups be slow, or fail."""
        return self._world.names

    @property
    def hosts(self) -> tuple[Host, ...]:
        """All hosts, in the order in which they were made."""
        return tuple(self._world.hosts.values())

    def link(
        self,
        a: str | Host,
        b: str | Host,
        *,
        latency: Number | None = None,
        bandwidth: Number | None = None,
        loss: Number = 0.0,
        reorder: Number = 0.0,
        duplicate: Number = 0.0,
    ) -> None:
        """Says what lies between two hosts, both ways, from now on.

        A number may be a function of the source of randomness, which is asked for each packet.

        Args:
            a: One host, or its name.
            b: The other; the same for what a host sends to itself, which is never lost.
            latency: Seconds that a packet takes; None for a millisecond.
            bandwidth: Bytes a second; None for any number.
            loss: How many packets get lost, from 0 to 1. Of a stream they are sent again.
            reorder: How many datagrams are overtaken by later ones, likewise.
            duplicate: How many datagrams arrive twice, likewise.

        Raises:
            TypeError: One of these is no number and no function.
            ValueError: It is out of range, or there is no such host.
        """
        self._world.links.link(
            self._name(a),
            self._name(b),
            latency=latency,
            bandwidth=bandwidth,
            loss=loss,
            reorder=reorder,
            duplicate=duplicate,
        )

    def partition(self, a: str | Host, b: str | Host, one_way: bool = False) -> None:
        """Has nothing get through between two hosts any more, what is under way included.

        Args:
            a: One host, or its name.
            b: The other.
            one_way: Whether only what ``a`` sends is lost.
        """
        self._world.links.partition(self._name(a), self._name(b), one_way)

    def heal(self, a: str | Host, b: str | Host) -> None:
        """Ends what ``partition`` began, both ways."""
        self._world.links.heal(self._name(a), self._name(b))

    def link_between(self, a: str | Host, b: str | Host) -> dict[str, Number | None]:
        """Returns what lies between two hosts, from ``a`` to ``b``, as the keywords of ``link`` that make it.

        Raises:
            ValueError: There is no such host.
        """
        return self._world.links.path(self._name(a), self._name(b)).shaped()

    def chaos(
        self,
        duration: float,
        *,
        hosts: Iterable[str | Host] | None = None,
        kinds: Iterable[type[PlannedFault]] = FAULTS,
        most: int = 8,
        restart: Callable[[Host], object] = Host.restart,
    ) -> Schedule:
        """Has faults happen, which the seed picks: partitions, crashes, slow and lossy links, wrong clocks.

        Args:
            duration: Virtual seconds, counted from now, within which all begin and are over.
            hosts: Those that something may happen to; None for all that there are by now.
            kinds: Which kinds of faults.
            most: How many at most; at least one.
            restart: See ``Schedule.apply``.

        Returns:
            What is going to happen; it can be shown, and applied to another simulation.

        Raises:
            TypeError: The duration or ``most`` is no number, the restart no function, or what is to be
                several hosts or kinds is not.
            ValueError: There is no such host, or nothing that could happen.
        """
        check_callable(restart)
        whole(most, "most", 1)
        among = self._world.hosts if hosts is None else map(self._name, several(hosts, "hosts"))
        names, possible = kinds_of(among, duration, kinds)
        drawn = draw_schedule(self.random.randrange, names, duration, possible, most)
        drawn.apply(self, restart)
        return drawn

    def _name(self, host: str | Host) -> str:
        hosts = self._world.hosts
        name = host.name if isinstance(host, Host) else host
        if not isinstance(name, str):
            raise TypeError(f"{name!r} is no host: it must be one, or its name")
        if name not in hosts:
            known = ", ".join(hosts) or "none"
            raise ValueError(f"there is no host {name!r}: the hosts are {known}")
        if isinstance(host, Host) and hosts[name] is not host:
            raise ValueError(f"{host!r} is a host of another simulation")
        return name

    # What happens.

    def call_at(self, when: float, function: Callable[..., object], *args: object) -> Planned:
        """Plans something to happen at a time, such as a host's crash.

        Args:
            when: Virtual seconds since the world began.
            function: What to call; it is an event of the world, and no host's code.
            args: With what.

        Raises:
            TypeError: That is no number, or no function.
            ValueError: The time is negative, not a number, or infinite.
        """
        check_callable(function)
        return self._world.scheduler.call_at(_finite(when, "a time"), function, *args)

    def call_later(self, delay: float, function: Callable[..., object], *args: object) -> Planned:
        """Plans something to happen so many virtual seconds from now; see ``call_at``."""
        check_callable(function)
        return self._world.scheduler.call_later(_finite(delay, "a delay"), function, *args)

    def invariant(self, check: _CheckT) -> _CheckT:
        """Has something checked after every event, of which it costs the time; also a decorator.

        Args:
            check: Returns False, or raises, where something does not hold that has to. It is no host's code,
                and what it looks at must not change anything.

        Returns:
            The same.

        Raises:
            TypeError: That is no function.
        """
        check_callable(check)
        name = getattr(check, "__qualname__", repr(check)).rpartition("<locals>.")[2]
        self._world.invariants.append((name, check))
        return check

    def remove_invariant(self, check: Callable[[], object]) -> None:
        """Has something no longer checked.

        Args:
            check: What ``invariant`` was given.

        Raises:
            ValueError: It was not, or is removed already.
        """
        invariants = self._world.invariants
        for number, (_, known) in enumerate(invariants):
            if known == check:
                del invariants[number]
                return
        raise ValueError(f"{check!r} is not among what is checked")

    def run(self, until: float | Callable[[], bool], limit: float = _LIMIT) -> None:
        """Lets the world go on.

        Args:
            until: Virtual seconds since the world began, up to when; or a function that is asked after every
                event, and returns whether it is enough.
            limit: Virtual seconds after which such a function counts as one that is never satisfied.

        Raises:
            SimulationStuck: It is not satisfied in that time, or nothing is left to happen. The message says
                who waits for what.
            SimulationError: Code of a host has done what cannot be simulated, such as starting a thread.
            InvariantError: What was to hold after every event does not.
            BaseException: A callback has raised it, such as a KeyboardInterrupt or what ``pytest.fail`` does;
                a SystemExit ends the engine alone.
            TypeError: That is neither a number nor a function.
            ValueError: The time has passed already, or is infinite.
        """
        __tracebackhide__ = True
        world = self._world
        if not callable(until):
            end = _finite(until, "until")
            if end < world.scheduler.now:
                raise ValueError(
                    f"until is {until!r}, which has passed: it counts from the world's beginning, and it is "
                    f"{world.scheduler.now!r} now"
                )
            world.go_on(lambda: False, end, "run()")
            return
        patience = seconds(limit, "limit")
        last = None if patience == math.inf else world.scheduler.now + patience
        if not world.go_on(until, last, f"run() until {place_of(until)}"):
            over = world.scheduler.next_time() is None
            why = "nothing is left to happen" if over else f"{limit:g} virtual seconds were not enough"
            raise SimulationStuck(explain(world, f"{why} for {place_of(until)}"))


def _finite(value: float, what: str) -> float:
    """Returns a time in seconds that comes some time."""
    if seconds(value, what) == math.inf:
        raise ValueError(f"{what} is infinite")
    return value
