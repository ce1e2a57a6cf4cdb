"""What has happened between two looks at an admin server, one row for each loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypedDict

from netcore.admin.source import Fact, HistogramReport, LoopReport, ProcessReport, State

__all__ = ["Row", "Stats", "quantile", "rows"]


class Stats(TypedDict):
    """What ``/stats.json`` says; ``time`` is in seconds of a clock of the server's."""

    time: float
    state: State
    processes: list[ProcessReport]
    facts: list[Fact]


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One loop; what is not known is None, as are all rates at the first look.

    Attributes:
        process: The name of its process.
        loop: Its index there.
        state: Where the process is in its life.
        connections: Those that are open.
        messages: Messages and datagrams received, per second.
        received: Bytes per second.
        sent: Bytes per second.
        turn: Seconds that half of the turns took at most.
        slow_turn: Seconds that 99 of 100 turns took at most.
        busy: The part of the time that it did not wait.
        stuck: Seconds that its present turn takes already.
        errors: Exceptions since the start.
        age: Seconds since the start.
    """

    process: str
    loop: int
    state: str
    connections: int
    messages: float | None
    received: float | None
    sent: float | None
    turn: float | None
    slow_turn: float | None
    busy: float | None
    stuck: float
    errors: int
    age: float


def rows(now: Stats, before: Stats | None) -> list[Row]:
    """Makes a row of each loop.

    A process that has been replaced in between has no rates yet.
    """
    known = {(each["process"], each["pid"]): each for each in before["processes"]} if before else {}
    seconds = now["time"] - before["time"] if before else 0.0
    made = []
    for process in now["processes"]:
        old = known.get((process["process"], process["pid"]))
        last = {loop["loop"]: loop for loop in old["loops"]} if old and seconds > 0 else {}
        made += [_row(process, loop, last.get(loop["loop"]), seconds) for loop in process["loops"]]
    return made


def _row(process: ProcessReport, loop: LoopReport, last: LoopReport | None, seconds: float) -> Row:
    metrics = loop["metrics"]

    def rate(*names: str) -> float | None:
        if last is None:
            return None
        return sum(max(metrics[name] - last["metrics"][name], 0) for name in names) / seconds

    turn = None if last is None else _between(loop["turn"], last["turn"])
    return Row(
        process=process["process"],
        loop=loop["loop"],
        state=process["state"],
        connections=metrics["connections"],
        messages=rate("messages", "datagrams_received"),
        received=rate("bytes_received"),
        sent=rate("bytes_sent"),
        turn=quantile(turn, 0.5),
        slow_turn=quantile(turn, 0.99),
        busy=None if turn is None else min(turn["sum"] / seconds, 1.0),
        stuck=loop["stuck_for"],
        errors=metrics["errors"],
        age=process["age"],
    )


def _between(now: HistogramReport | None, before: HistogramReport | None) -> HistogramReport | None:
    if now is None or before is None or len(now["counts"]) != len(before["counts"]):
        return None
    counts = [new - old for new, old in zip(now["counts"], before["counts"], strict=True)]
    return HistogramReport(bounds=now["bounds"], counts=counts, sum=now["sum"] - before["sum"])


def quantile(histogram: HistogramReport | None, q: float) -> float | None:
    """Estimates what a part of the durations took at most, linearly within a bucket, as Prometheus does.

    Args:
        histogram: None if it is not known.
        q: The part, above 0 and up to 1.

    Returns:
        Seconds, at most the last bound; None if there is no duration.
    """
    if histogram is None or not sum(histogram["counts"]):
        return None
    rank = q * sum(histogram["counts"])
    low = 0.0
    bounds: Sequence[float] = histogram["bounds"]
    for bound, number in zip(bounds, histogram["counts"], strict=False):
        if number and rank <= number:
            return low + (bound - low) * rank / number
        rank -= number
        low = bound
    return low
