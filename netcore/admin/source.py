"""What an admin server shows, as data that JSON can say, so that it may come from another process."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Final, Literal, Protocol, TypedDict

__all__ = [
    "MOST",
    "ConnectionReport",
    "ConnectionsReport",
    "Fact",
    "HistogramReport",
    "LoopReport",
    "ProcessReport",
    "Sample",
    "Source",
    "State",
]

MOST: Final = 10_000
"""Connections that are reported of at most, unless somebody asks for more."""

State = Literal["booting", "ready", "draining", "stopping"]
"""Until ``on_boot`` has returned; accepting; from ``stop_accepting`` on; since it has begun to end."""


class HistogramReport(TypedDict):
    """A ``netcore.handler.metrics.Histogram``.

    Attributes:
        bounds: Upper bounds in seconds, ascending.
        counts: One more than bounds, not cumulative.
        sum: Seconds.
    """

    bounds: Sequence[float]
    counts: Sequence[int]
    sum: float


class LoopReport(TypedDict):
    """One event loop.

    Attributes:
        loop: Its index.
        metrics: The fields of its ``Metrics``.
        turn: How long its turns take; None where that is not measured.
        callback: The same of the application's callbacks.
        stuck_for: Seconds that its present turn takes already; 0 while it waits.
    """

    loop: int
    metrics: dict[str, int]
    turn: HistogramReport | None
    callback: HistogramReport | None
    stuck_for: float


class ProcessReport(TypedDict):
    """One process.

    Attributes:
        process: What tells it from the others: the value of the label ``process``.
        pid: Its process identifier.
        state: Where it is in its life.
        age: Seconds since its engine was put together.
        loops: Its event loops; none before they are made.
    """

    process: str
    pid: int
    state: State
    age: float
    loops: list[LoopReport]


class ConnectionReport(TypedDict):
    """One open connection; ``age`` is in seconds, the two sizes are bytes, the addresses text."""

    id: int
    network: str
    local: str
    remote: str
    loop: int
    process: str
    age: float
    inbound_buffered: int
    outbound_buffered: int


class ConnectionsReport(TypedDict):
    """Open connections.

    Attributes:
        connections: As many as were asked for, at most.
        total: How many there are.
    """

    connections: list[ConnectionReport]
    total: int


class Sample(TypedDict):
    """One value of a ``Fact``, with labels such as ``process``."""

    labels: dict[str, str]
    value: float


class Fact(TypedDict):
    """A metric that a source has of its own, such as how often a process was replaced.

    Attributes:
        name: What Prometheus calls it, without the ``_total`` of a counter: ``netcore_process_restarts``.
        kind: A counter only ever grows.
        help: A sentence.
        samples: All have the same labels.
    """

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    samples: list[Sample]


class Source(Protocol):
    """Where an admin server has from what it shows. It is asked on the server's thread, and must not hang.

    A supervisor's joins what the ``engine_source`` of each process reports. One that does not answer in time
    is missing in what it returns, and ``facts`` tell of it.
    """

    @abc.abstractmethod
    def state(self) -> State:
        """Tells where the whole is in its life: ``/health`` and ``/ready`` say so. At once."""

    @abc.abstractmethod
    def processes(self) -> list[ProcessReport]:
        """Reports of each process that answers."""

    @abc.abstractmethod
    def connections(self, most: int = MOST) -> ConnectionsReport:
        """Reports of so many open connections at most, of all processes together."""

    @abc.abstractmethod
    def facts(self) -> list[Fact]:
        """Reports what there is beyond the processes' own numbers."""
