"""The numbers as Prometheus reads them, by prometheus-client: its text format, and OpenMetrics."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from netcore.admin.source import Fact, HistogramReport, LoopReport, ProcessReport
from netcore.handler import Metrics

__all__ = ["expose", "meanings", "prefers_openmetrics"]

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_LABELS = ("process", "loop")

_openmetrics: Callable[[CollectorRegistry], bytes] = openmetrics.generate_latest


def expose(processes: Sequence[ProcessReport], facts: Sequence[Fact], accept: str) -> tuple[bytes, str]:
    """Writes all numbers down.

    Args:
        processes: Reports; of two of one name the later one counts.
        facts: What there is besides.
        accept: The Accept header of who reads it.

    Returns:
        The text, and its media type.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(processes, facts))
    if prefers_openmetrics(accept):
        return _openmetrics(registry), OPENMETRICS
    return generate_latest(registry), TEXT


def prefers_openmetrics(accept: str) -> bool:
    """Whether an Accept header (RFC 9110, section 12.5.1) names OpenMetrics, and no text before it."""
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if kind in weights:
            weights[kind] = max(weights[kind], _weight(parameters))
    return weights["application/openmetrics-text"] > 0 and (
        weights["application/openmetrics-text"] >= weights["text/plain"]
    )


def _weight(parameters: Iterable[str]) -> float:
    found = [re.fullmatch(r"q=([01](?:\.[0-9]{0,3})?)", each) for each in parameters]
    return next((float(each[1]) for each in found if each), 1.0)


@cache
def meanings() -> dict[str, str]:
    """Returns what the docstring of ``Metrics`` says of each field, as plain text."""
    section = inspect.cleandoc(Metrics.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text.replace("``", "")) for name, text in found}


class _Collector(Collector):
    def __init__(self, processes: Sequence[ProcessReport], facts: Sequence[Fact]) -> None:
        by_name = {report["process"]: report for report in processes}
        self._processes = list(by_name.values())
        self._loops = [
            ((report["process"], str(loop["loop"])), loop)
            for report in self._processes
            for loop in report["loops"]
        ]
        self._facts = facts

    def collect(self) -> Iterator[Metric]:
        """See ``Collector.collect``."""
        yield from self._of_metrics()
        yield self._gauge("stuck_seconds", "How long the present turn of a loop takes already.", _stuck)
        yield from self._histogram("turn", "How long turns take, the wait not included.", _turn)
        yield from self._histogram("callback", "How long callbacks of the application take.", _callback)
        yield from self._of_processes()
        for fact in self._facts:
            yield _family_of(fact)

    def _of_metrics(self) -> Iterator[Metric]:
        names = dict.fromkeys(name for _, loop in self._loops for name in loop["metrics"])
        for name in names:
            about = meanings().get(name, name)
            make = GaugeMetricFamily if name in Metrics.LEVELS else CounterMetricFamily
            family = make(f"netcore_{name}", about, labels=_LABELS)
            for place, loop in self._loops:
                if name in loop["metrics"]:
                    family.add_metric(place, loop["metrics"][name])
            yield family

    def _of_processes(self) -> Iterator[Metric]:
        ready = GaugeMetricFamily(
            "netcore_ready", "Whether a process takes connections.", labels=("process",)
        )
        age = GaugeMetricFamily("netcore_age_seconds", "Since when a process is there.", labels=("process",))
        for report in self._processes:
            ready.add_metric((report["process"],), report["state"] == "ready")
            age.add_metric((report["process"],), report["age"])
        yield from (ready, age)

    def _gauge(self, name: str, about: str, value: Callable[[LoopReport], float]) -> Metric:
        family = GaugeMetricFamily(f"netcore_{name}", about, labels=_LABELS)
        for place, loop in self._loops:
            family.add_metric(place, value(loop))
        return family

    def _histogram(
        self, name: str, about: str, value: Callable[[LoopReport], HistogramReport | None]
    ) -> Iterator[Metric]:
        family = HistogramMetricFamily(f"netcore_{name}_seconds", about, labels=_LABELS)
        measured = False
        for place, loop in self._loops:
            histogram = value(loop)
            if histogram is not None:
                measured = True
                family.add_metric(place, _buckets(histogram), histogram["sum"])
        if measured:
            yield family


def _buckets(histogram: HistogramReport) -> list[tuple[str, float]]:
    bounds = [*(repr(float(bound)) for bound in histogram["bounds"]), "+Inf"]
    return list(zip(bounds, accumulate(map(float, histogram["counts"])), strict=True))


def _stuck(loop: LoopReport) -> float:
    return loop["stuck_for"]


def _turn(loop: LoopReport) -> HistogramReport | None:
    return loop["turn"]


def _callback(loop: LoopReport) -> HistogramReport | None:
    return loop["callback"]


def _family_of(fact: Fact) -> Metric:
    names = list(fact["samples"][0]["labels"]) if fact["samples"] else []
    make = GaugeMetricFamily if fact["kind"] == "gauge" else CounterMetricFamily
    family = make(fact["name"], fact["help"], labels=names)
    for sample in fact["samples"]:
        family.add_metric([sample["labels"][name] for name in names], sample["value"])
    return family
