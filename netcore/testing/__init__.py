"""Fakes for every protocol, conformance checks for backends of your own, and a simulated world."""

from netcore.testing.clock import ManualClock
from netcore.testing.conformance import (
    check_buffer,
    check_codec,
    check_load_balancer,
    check_poller,
    check_sockets,
)
from netcore.testing.fake_poller import FakePair, FakePoller
from netcore.testing.fake_sockets import FakeDial, FakeSockets
from netcore.testing.fake_transport import FakeTransport
from netcore.testing.fault_plan import (
    BROKEN_FAULTS,
    GENTLE_FAULTS,
    HARSH_FAULTS,
    Fault,
    FaultPlan,
    Raised,
    Short,
)
from netcore.testing.faulty_poller import FaultyPoller
from netcore.testing.faulty_sockets import FaultySockets
from netcore.testing.recording import Recorded, RecordingHandler
from netcore.testing.simulation import (
    ClockJump,
    ClockSkew,
    Crash,
    Difference,
    Event,
    Host,
    HostClock,
    InvariantError,
    LinkChange,
    Names,
    Partition,
    Planned,
    PlannedFault,
    Program,
    Scenario,
    Schedule,
    Simulation,
    SimulationError,
    SimulationStuck,
    Spikes,
    Trace,
)

__all__ = [
    "BROKEN_FAULTS",
    "GENTLE_FAULTS",
    "HARSH_FAULTS",
    "ClockJump",
    "ClockSkew",
    "Crash",
    "Difference",
    "Event",
    "FakeDial",
    "FakePair",
    "FakePoller",
    "FakeSockets",
    "FakeTransport",
    "Fault",
    "FaultPlan",
    "FaultyPoller",
    "FaultySockets",
    "Host",
    "HostClock",
    "InvariantError",
    "LinkChange",
    "ManualClock",
    "Names",
    "Partition",
    "Planned",
    "PlannedFault",
    "Program",
    "Raised",
    "Recorded",
    "RecordingHandler",
    "Scenario",
    "Schedule",
    "Short",
    "Simulation",
    "SimulationError",
    "SimulationStuck",
    "Spikes",
    "Trace",
    "check_buffer",
    "check_codec",
    "check_load_balancer",
    "check_poller",
    "check_sockets",
]
