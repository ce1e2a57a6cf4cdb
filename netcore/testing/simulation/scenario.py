"""A world as a value: its seed, its hosts, what lies between them, and what goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

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

    def simulation(self, restart: Callable[[Host], object] = Host.restart) -> Simulation:
        """Makes the world; nothing runs on its hosts yet, and the faults are counted from now.

        Args:
            restart: See ``Schedule.apply``.

        Raises:
            ValueError: A fault is about another host.
        """
        simulation = Simulation(self.seed)
        for name in self.hosts:
            simulation.host(name)
        self.conditions.apply(simulation, restart)
        self.faults.apply(simulation, restart)
        return simulation
