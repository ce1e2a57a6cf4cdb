"""What a workload is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from bench.figures import Sample
from bench.peer import Peer
from bench.process import Cpus


@dataclass(frozen=True)
class Timing:
    """Seconds of load before the window, and of the window."""

    warmup: float
    seconds: float

    def after(self, seconds: float) -> "Timing":
        """The same window after so much more load."""
        return replace(self, warmup=self.warmup + seconds)


@dataclass(frozen=True)
class Window:
    """What is about to be measured: in which round, counted from 1, where, and for how long."""

    round: int
    cpus: Cpus
    timing: Timing


class Workload(Protocol):
    """One job for some peers."""

    @property
    def name(self) -> str:
        """What `--workloads` calls it; its group is the part before the first dash."""

    @property
    def title(self) -> str:
        """A line for people."""

    @property
    def peers(self) -> tuple[Peer, ...]:
        """Who can do it."""

    @property
    def compared(self) -> tuple[str, ...]:
        """The figures whose ratios say how the peers compare."""

    def settings(self) -> Mapping[str, float]:
        """Its numbers."""

    def missing(self) -> str | None:
        """Says why this machine cannot run it at all, or None."""

    def measure(self, peer: Peer, window: Window) -> Sample:
        """Starts the peer, loads it and returns what the window held.

        Raises:
            RunError: the peer did not do the job; the figures of such a one mean nothing.
            CompileError: the load generator could not be built.
        """
