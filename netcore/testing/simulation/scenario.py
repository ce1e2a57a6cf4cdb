"""A world as a value: its seed, its hosts, what lies between them, and what goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from netcore.testing.simulation.arguments import check_host, several
from netcore.testing.simulation.host import Host
from netcore.testing.simulation.schedule import Plain, Schedule
from netcore.testing.simulation.simulation import Simulation

__all__ = ["Scenario"]


@dataclass(frozen=True, repr=False)
class Scenario(Plain):
    """What a simulation begins with, and what goes wrong in it.

    Attributes:
        seed: Of the simulation.
        hosts: The names of its hosts.
        conditions: What is otherwise than by default from the beginning to the end, such as slow links.
        faults: What goes wrong, and is over in the end.
    """

    seed: int
    hosts: tuple[str, ...]
    conditions: Schedule = field(default=Schedule(), kw_only=True)
    faults: Schedule = field(default=Schedule(), kw_only=True)

    def __post_init__(self) -> None:
        """Refuses what is no host's name, and no schedule.

        Raises:
            TypeError: The hosts are not several names, or what should be a schedule is none.
        """
        for name in several(self.hosts, "hosts"):
            check_host(name)
        for what, schedule in (("conditions", self.conditions), ("faults", self.faults)):
            if not isinstance(schedule, Schedule):
                raise TypeError(f"{what} is {schedule!r}: it must be a Schedule")

    def simulation(self, restart: Callable[[Host], object] = Host.restart) -> Simulation:
        """Makes the world; nothing runs on its hosts yet, and the faults are counted from now.

        Args:
            restart: See ``Schedule.apply``.

        Raises:
            TypeError: The seed is no int, text or bytes, or the restart no function.
            ValueError: A fault is about another host, or a name is none that a host can have.
        """
        simulation = Simulation(self.seed)
        for name in self.hosts:
            simulation.host(name)
        self.conditions.apply(simulation, restart)
        self.faults.apply(simulation, restart)
        return simulation
