"""What an admin server shows of an engine. Nothing here goes through the loops, which may be stuck."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from netcore.admin.source import (
    MOST,
    ConnectionReport,
    ConnectionsReport,
    Fact,
    HistogramReport,
    LoopReport,
    ProcessReport,
    Source,
    State,
)
from netcore.connection import glance
from netcore.handler import Conn, EventLoop, Histogram

__all__ = ["engine_source"]


class Shown(Protocol):
    """What is asked of an engine."""

    @property
    def loops(self) -> Sequence[EventLoop]:
        """Its loops; none before they are made."""

    @property
    def accepting(self) -> bool:
        """Whether it takes new connections."""

    @property
    def has_booted(self) -> bool:
        """Whether ``on_boot`` has returned."""

    @property
    def stopping(self) -> bool:
        """Whether it has begun to end."""


def engine_source(engine: Shown, process: str = "0") -> Source:
    """Makes the source of an engine. Its reports may be asked for on any thread.

    Args:
        engine: A ``netcore.Engine``, started or not.
        process: The value of the label ``process``.
    """
    return _EngineSource(engine, process)


class _EngineSource(Source):
    def __init__(self, engine: Shown, process: str) -> None:
        self._engine = engine
        self._process = process
        self._since = time.monotonic()

    def state(self) -> State:
        engine = self._engine
        if engine.stopping:
            return "stopping"
        if engine.accepting:
            return "ready"
        return "draining" if engine.has_booted else "booting"

    def processes(self) -> list[ProcessReport]:
        loops = [_loop_report(loop) for loop in self._engine.loops]
        return [
            ProcessReport(
                process=self._process,
                pid=os.getpid(),
                state=self.state(),
                age=time.monotonic() - self._since,
                loops=loops,
            )
        ]

    def connections(self, most: int = MOST) -> ConnectionsReport:
        found = [(loop.index, conn) for loop in self._engine.loops for conn in loop.connections()]
        rows = [_connection_report(conn, loop, self._process) for loop, conn in islice(found, most)]
        return ConnectionsReport(connections=rows, total=len(found))

    def facts(self) -> list[Fact]:
        return []


def _loop_report(loop: EventLoop) -> LoopReport:
    timings = loop.timings()
    return LoopReport(
        loop=loop.index,
        metrics=dataclasses.asdict(loop.metrics()),
        turn=None if timings is None else _histogram_report(timings.turn),
        callback=None if timings is None else _histogram_report(timings.callback),
        stuck_for=loop.stuck_for(),
    )


def _histogram_report(histogram: Histogram) -> HistogramReport:
    return HistogramReport(bounds=histogram.bounds, counts=histogram.counts, sum=histogram.sum)


def _connection_report(conn: Conn, loop: int, process: str) -> ConnectionReport:
    return ConnectionReport(
        id=conn.id,
        network=conn.network,
        local=str(conn.local_address),
        remote=str(conn.remote_address),
        loop=loop,
        process=process,
        age=conn.age,
        inbound_buffered=glance(conn, "inbound_buffered"),
        outbound_buffered=glance(conn, "outbound_buffered"),
    )
