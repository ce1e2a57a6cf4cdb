"""A simulated world: whole applications under a seed, in virtual time."""

from netcore.testing.simulation.clock import HostClock
from netcore.testing.simulation.coroutines.program import Program
from netcore.testing.simulation.errors import InvariantError, SimulationError, SimulationStuck
from netcore.testing.simulation.host import Host
from netcore.testing.simulation.net.names import Names
from netcore.testing.simulation.scenario import Scenario
from netcore.testing.simulation.schedule import (
    ClockJump,
    ClockSkew,
    Crash,
    LinkChange,
    Partition,
    PlannedFault,
    Schedule,
)
from netcore.testing.simulation.scheduler import Planned
from netcore.testing.simulation.simulation import Simulation
from netcore.testing.simulation.spikes import Spikes
from netcore.testing.simulation.trace import Difference, Event, Trace

__all__ = [
    "ClockJump",
    "ClockSkew",
    "Crash",
    "Difference",
    "Event",
    "Host",
    "HostClock",
    "InvariantError",
    "LinkChange",
    "Names",
    "Partition",
    "Planned",
    "PlannedFault",
    "Program",
    "Scenario",
    "Schedule",
    "Simulation",
    "SimulationError",
    "SimulationStuck",
    "Spikes",
    "Trace",
]
