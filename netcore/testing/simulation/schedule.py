"""What goes wrong in a world, and when: planned beforehand, as values that can be shown, kept and compared.

The ``repr`` of a schedule makes it again, so that what was found by chance can be pasted into a test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from netcore._durations import seconds
from netcore.testing.simulation.arguments import check_callable, check_host
from netcore.testing.simulation.clock import check_jump, rate_of
from netcore.testing.simulation.host import Host
from netcore.testing.simulation.net.links import shape_of

if TYPE_CHECKING:
    from netcore.testing.simulation.net.links import Number
    from netcore.testing.simulation.scheduler import Planned

__all__ = ["ClockJump", "ClockSkew", "Crash", "LinkChange", "Partition", "PlannedFault", "Schedule"]

Names = str | tuple[str, ...]
"""A host's name, or those of several."""

_SHAPE = ("latency", "bandwidth", "loss", "reorder", "duplicate")
"""What ``LinkChange`` may change."""

_FaultT = TypeVar("_FaultT", bound="PlannedFault")


@runtime_checkable
class Simulated(Protocol):
    """What is asked of a ``Simulation``."""

    @property
    def hosts(self) -> Sequence[Host]:
        """See there."""

    def host(self, name: str) -> Host:
        """See there."""

    def link(
        self,
        a: str,
        b: str,
        *,
        latency: Number | None = None,
        bandwidth: Number | None = None,
        loss: Number = 0.0,
        reorder: Number = 0.0,
        duplicate: Number = 0.0,
    ) -> None:
        """See there."""

    def link_between(self, a: str, b: str) -> dict[str, Any]:
        """See there."""

    def partition(self, a: str, b: str, one_way: bool = False) -> None:
        """See there."""

    def heal(self, a: str, b: str) -> None:
        """See there."""

    def call_later(self, delay: float, function: Callable[..., object], *args: object) -> Planned:
        """See there."""


class Plain:
    """Shows a dataclass in as few words as make the same again: what is as by default is left out."""

    def __repr__(self) -> str:
        words, named = [], []
        for each in fields(self):  # type: ignore[arg-type]
            value = getattr(self, each.name)
            if each.default is MISSING:
                words.append(repr(value))
            elif value != each.default:
                named.append(f"{each.name}={value!r}")
        return f"{type(self).__name__}({', '.join(words + named)})"


@dataclass(frozen=True, repr=False)
class PlannedFault(Plain):
    """One thing that goes wrong.

    Attributes:
        at: When it begins: virtual seconds from when its schedule is applied.
        lasting: Virtual seconds until it is over; None if it never is.
    """

    at: float
    lasting: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Refuses what is no time, and who can be no host.

        Raises:
            TypeError: A time is no int or float, or the name of a host no text.
            ValueError: It is negative or not a number, or it is infinite, or lasts for no time.
        """
        if seconds(self.at, "at") == math.inf:
            raise ValueError("at is infinite: a fault has to begin")
        if self.lasting is not None:
            seconds(self.lasting, "lasting", positive=True)
        for name in self.names:
            check_host(name)

    @property
    def ends(self) -> float:
        """When it is over, counted as ``at`` is; infinite if it never is."""
        return math.inf if self.lasting is None else self.at + self.lasting

    @property
    def names(self) -> tuple[str, ...]:
        """The hosts that it is about."""
        raise NotImplementedError

    def begin(self, course: Course) -> None:
        """Has it go wrong, now.

        :meta private:
        """
        raise NotImplementedError

    def end(self, course: Course) -> None:
        """Has it be over, now; what others of the schedule still do goes on.

        :meta private:
        """
        raise NotImplementedError


@dataclass(frozen=True, repr=False)
class Partition(PlannedFault):
    """Nothing gets through between two hosts, or between two groups of hosts.

    Attributes:
        a: A host's name, or a tuple of names.
        b: Likewise, of others.
        one_way: Whether only what ``a`` sends is lost.
    """

    a: Names
    b: Names
    one_way: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        """Refuses what is no time, or no two groups.

        Raises:
            TypeError: A time is no int or float, a host's name no text, or ``one_way`` no bool.
            ValueError: A host is in both groups, or one is empty; or for a time, see ``PlannedFault``.
        """
        super().__post_init__()
        if not isinstance(self.one_way, bool):
            raise TypeError(f"one_way is {self.one_way!r}: it must be a bool")
        a, b = _tuple(self.a, "a"), _tuple(self.b, "b")
        both = [name for name in a if name in b]
        if both or not a or not b:
            why = f"{both[0]!r} is on both sides" if both else "there is nobody on one side"
            raise ValueError(f"{self!r}: {why}")

    @property
    def names(self) -> tuple[str, ...]:
        """See ``PlannedFault.names``."""
        return _tuple(self.a, "a") + _tuple(self.b, "b")

    def cuts(self, one: str, other: str) -> tuple[bool, bool]:
        """Returns whether what one host sends to another is lost, and what the other sends to it."""
        a, b = _tuple(self.a, "a"), _tuple(self.b, "b")
        there, back = one in a and other in b, one in b and other in a
        return there or (back and not self.one_way), back or (there and not self.one_way)

    def begin(self, course: Course) -> None:
        """See ``PlannedFault.begin``.

        :meta private:
        """
        for one in _tuple(self.a, "a"):
            for other in _tuple(self.b, "b"):
                course.simulation.partition(one, other, self.one_way)

    def end(self, course: Course) -> None:
        """See ``PlannedFault.end``.

        :meta private:
        """
        simulation = course.simulation
        others = course.others(self)
        for one in _tuple(self.a, "a"):
            for other in _tuple(self.b, "b"):
                left = [each.cuts(one, other) for each in others]
                there, back = any(each[0] for each in left), any(each[1] for each in left)
                if (there, back) == (True, not self.one_way or back):
                    continue
                simulation.heal(one, other)
                if there:
                    simulation.partition(one, other, one_way=True)
                if back:
                    simulation.partition(other, one, one_way=True)


@dataclass(frozen=True, repr=False)
class Crash(PlannedFault):
    """A host crashes, and is restarted when that is over; see ``Host.crash``.

    Attributes:
        host: Its name.
    """

    host: str

    @property
    def names(self) -> tuple[str, ...]:
        """See ``PlannedFault.names``."""
        return (self.host,)

    def begin(self, course: Course) -> None:
        """See ``PlannedFault.begin``.

        :meta private:
        """
        course.simulation.host(self.host).crash()

    def end(self, course: Course) -> None:
        """See ``PlannedFault.end``.

        :meta private:
        """
        host = course.simulation.host(self.host)
        if not host.up and not any(each.host == self.host for each in course.others(self)):
            course.restart(host)


@dataclass(frozen=True, repr=False)
class LinkChange(PlannedFault):
    """What lies between two hosts, or between one and several, is of another kind; see ``Simulation.link``.

    Attributes:
        a: A host's name.
        b: The other's, or a tuple of the names of several others.
        latency: Seconds that a packet takes. None for what it was, here and for what follows.
        bandwidth: Bytes a second.
        loss: How many packets get lost, from 0 to 1.
        reorder: How many datagrams are overtaken, likewise.
        duplicate: How many datagrams arrive twice, likewise.
    """

    a: str
    b: Names
    latency: Number | None = field(default=None, kw_only=True)
    bandwidth: float | None = field(default=None, kw_only=True)
    loss: float | None = field(default=None, kw_only=True)
    reorder: float | None = field(default=None, kw_only=True)
    duplicate: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Refuses what is no time, and what ``Simulation.link`` does not take.

        Raises:
            TypeError: See there.
            ValueError: See there.
        """
        super().__post_init__()
        if not _tuple(self.b, "b"):
            raise ValueError(f"{self!r}: there is nobody on one side")
        for b in _tuple(self.b, "b"):
            shape_of(self.a, b, **self._asked)

    @property
    def names(self) -> tuple[str, ...]:
        """See ``PlannedFault.names``."""
        return (self.a, *_tuple(self.b, "b"))

    @property
    def _asked(self) -> dict[str, Any]:
        asked = {name: getattr(self, name) for name in _SHAPE}
        return {name: value for name, value in asked.items() if value is not None}

    @property
    def _links(self) -> list[tuple[str, str]]:
        """The links that it is about, each in the same order, whichever host is named first."""
        return [(min(self.a, b), max(self.a, b)) for b in _tuple(self.b, "b")]

    def begin(self, course: Course) -> None:
        """See ``PlannedFault.begin``.

        :meta private:
        """
        for link in self._links:
            if link not in course.links:
                course.links[link] = course.simulation.link_between(*link)
            self._lay(course, link, [*course.others(self), self])

    def end(self, course: Course) -> None:
        """See ``PlannedFault.end``.

        :meta private:
        """
        for link in self._links:
            self._lay(course, link, course.others(self))

    def _lay(self, course: Course, link: tuple[str, str], present: list[LinkChange]) -> None:
        shape = dict(course.links[link])
        changes = [each for each in present if link in each._links]
        for change in changes:
            shape |= change._asked
        course.simulation.link(*link, **shape)
        if not changes:
            del course.links[link]


@dataclass(frozen=True, repr=False)
class ClockSkew(PlannedFault):
    """A host's clocks run too fast, or too slow; see ``HostClock.skew``.

    Attributes:
        host: Its name.
        rate: Seconds of the host for a virtual one.
    """

    host: str
    rate: float

    def __post_init__(self) -> None:
        """Refuses what is no time, and what ``HostClock.skew`` does not take.

        Raises:
            TypeError: See there.
            ValueError: See there.
        """
        super().__post_init__()
        rate_of(self.rate)

    @property
    def names(self) -> tuple[str, ...]:
        """See ``PlannedFault.names``."""
        return (self.host,)

    def begin(self, course: Course) -> None:
        """See ``PlannedFault.begin``.

        :meta private:
        """
        clock = course.simulation.host(self.host).clock
        course.rates.setdefault(self.host, clock.rate)
        clock.skew(self.rate)

    def end(self, course: Course) -> None:
        """See ``PlannedFault.end``.

        :meta private:
        """
        clock = course.simulation.host(self.host).clock
        others = [each.rate for each in course.others(self) if each.host == self.host]
        clock.skew(others[-1] if others else course.rates.pop(self.host))


@dataclass(frozen=True, repr=False)
class ClockJump(PlannedFault):
    """A host's wall clock jumps, and back when that is over; see ``HostClock.jump``.

    Attributes:
        host: Its name.
        by: Seconds forward, or back if that is negative.
    """

    host: str
    by: float

    def __post_init__(self) -> None:
        """Refuses what is no time, and what ``HostClock.jump`` does not take.

        Raises:
            TypeError: See there.
            ValueError: See there.
        """
        super().__post_init__()
        check_jump(self.by)

    @property
    def names(self) -> tuple[str, ...]:
        """See ``PlannedFault.names``."""
        return (self.host,)

    def begin(self, course: Course) -> None:
        """See ``PlannedFault.begin``.

        :meta private:
        """
        course.simulation.host(self.host).clock.jump(self.by)

    def end(self, course: Course) -> None:
        """See ``PlannedFault.end``.

        :meta private:
        """
        course.simulation.host(self.host).clock.jump(-self.by)


class Schedule:
    """Faults, each with its time.

    Args:
        faults: In any order.

    Attributes:
        faults: As given, the earliest first.

    Raises:
        TypeError: One is no ``PlannedFault``.
    """

    def __init__(self, *faults: PlannedFault) -> None:
        for fault in faults:
            if not isinstance(fault, PlannedFault):
                raise TypeError(f"{fault!r} is no fault: it must be a Partition, a Crash or the like")
        self.faults: tuple[PlannedFault, ...] = tuple(sorted(faults, key=lambda fault: fault.at))

    def __repr__(self) -> str:
        lines = "".join(f"    {fault!r},\n" for fault in self.faults)
        return f"{type(self).__name__}(\n{lines})" if lines else f"{type(self).__name__}()"

    def __iter__(self) -> Iterator[PlannedFault]:
        return iter(self.faults)

    def __len__(self) -> int:
        return len(self.faults)

    def __eq__(self, other: object) -> bool:
        return self.faults == other.faults if isinstance(other, Schedule) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.faults)

    @property
    def ends(self) -> float:
        """When all are over: virtual seconds from when they are applied; infinite if one never is."""
        return max((fault.ends for fault in self.faults), default=0.0)

    def apply(self, simulation: Simulated, restart: Callable[[Host], object] = Host.restart) -> None:
        """Plans the faults in a simulation, counted from now. They may overlap.

        Args:
            simulation: Has the hosts already that they are about.
            restart: What restarts a host after a crash, for handlers that are to begin with what a disk has
                kept: ``lambda host: host.restart(Server(disk))``.

        Raises:
            TypeError: That is no simulation, or the restart no function.
            ValueError: There is no such host.
        """
        if isinstance(simulation, type) or not isinstance(simulation, Simulated):
            raise TypeError(f"{simulation!r} is no simulation")
        check_callable(restart)
        course = Course(simulation, restart)
        known = {host.name for host in simulation.hosts}
        for fault in self.faults:
            if missing := [name for name in fault.names if name not in known]:
                raise ValueError(f"there is no host {missing[0]!r}, which {fault!r} is about")
        for fault in self.faults:
            simulation.call_later(fault.at, course.begin, fault)
            if fault.lasting is not None and fault.ends < math.inf:
                simulation.call_later(fault.ends, course.end, fault)


class Course:
    """A schedule that takes its course in a simulation.

    Args:
        simulation: Where.
        restart: See ``Schedule.apply``.

    Attributes:
        simulation: As given.
        restart: As given.
        links: What was between two hosts before a fault has changed it.
        rates: How fast a host's clock was likewise.
    """

    def __init__(self, simulation: Simulated, restart: Callable[[Host], object]) -> None:
        self.simulation: Simulated = simulation
        self.restart: Callable[[Host], object] = restart
        self.links: dict[tuple[str, str], dict[str, Any]] = {}
        self.rates: dict[str, float] = {}
        self._present: list[PlannedFault] = []

    def begin(self, fault: PlannedFault) -> None:
        """Has a fault begin."""
        fault.begin(self)
        self._present.append(fault)

    def end(self, fault: PlannedFault) -> None:
        """Has it be over."""
        self._present.remove(fault)
        fault.end(self)

    def others(self, fault: _FaultT) -> list[_FaultT]:
        """Returns the present faults of the same kind, but for this one, in the order they have begun in."""
        return [each for each in self._present if type(each) is type(fault)]


def _tuple(names: Any, what: str) -> tuple[str, ...]:
    if isinstance(names, str):
        return (names,)
    if not isinstance(names, Sequence) or isinstance(names, bytes):
        raise TypeError(f"{what} is {names!r}: it must be a host's name, or a tuple of several")
    return tuple(names)
