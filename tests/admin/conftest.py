"""A source that says what a test wants."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("h11", reason="h11 is not installed")
pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")

from netcore import Metrics
from netcore.admin import AdminServer, ConnectionsReport, Fact, LoopReport, ProcessReport, Source, State


class FakeSource(Source):
    """Says what its attributes are, and counts how often it was asked."""

    def __init__(self) -> None:
        self.now: State = "ready"
        self.reports: list[ProcessReport] = [report("0")]
        self.shown = ConnectionsReport(connections=[], total=0)
        self.told: list[Fact] = []
        self.asked = 0

    def state(self) -> State:
        self.asked += 1
        return self.now

    def processes(self) -> list[ProcessReport]:
        self.asked += 1
        return self.reports

    def connections(self, most: int = 10_000) -> ConnectionsReport:
        self.asked += 1
        return self.shown

    def facts(self) -> list[Fact]:
        return self.told


def report(process: str, loops: int = 1, pid: int = 1, **numbers: int) -> ProcessReport:
    """A process, each loop of which has these numbers."""
    histogram = {"bounds": (0.001, 0.1), "counts": (3, 4, 1), "sum": 0.5}
    return ProcessReport(
        process=process,
        pid=pid,
        state="ready",
        age=12.5,
        loops=[
            LoopReport(
                loop=i,
                metrics=dataclasses.asdict(Metrics(**numbers)),
                turn=dict(histogram),
                callback=dict(histogram),
                stuck_for=0.25,
            )
            for i in range(loops)
        ],
    )


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()


@pytest.fixture
def make_report() -> Callable[..., ProcessReport]:
    return report


@pytest.fixture
def open_server(source: FakeSource) -> Iterator[Callable[..., AdminServer]]:
    """Starts servers of the source, and ends them: ``open_server(address, **arguments)``."""
    servers: list[AdminServer] = []

    def make(address: str = "tcp://127.0.0.1:0", **arguments: object) -> AdminServer:
        server = AdminServer(address, source, **arguments)
        server.start()
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.close(30)
