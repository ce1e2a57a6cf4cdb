"""What a run gave, as data: every sample, so that any figure can be computed again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.figures import Sample

SCHEMA = 2


class SchemaError(ValueError):
    """A file holds no result, or one of another version of the suite."""


@dataclass
class Outcome:
    """What became of one peer in one workload; its samples are by round."""

    missing: str | None = None
    failed: str | None = None
    samples: dict[int, Sample] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """One of "missing", "failed", "measured"."""
        if self.missing is not None:
            return "missing"
        return "measured" if self.failed is None else "failed"

    @property
    def reason(self) -> str | None:
        """Why there are no samples, or no more."""
        return self.missing or self.failed


@dataclass(frozen=True)
class WorkloadResult:
    """One workload; `outcomes` are by peer, and ratios refer to `baseline`."""

    title: str
    settings: Mapping[str, float]
    compared: tuple[str, ...]
    baseline: str
    outcomes: Mapping[str, Outcome]


@dataclass(frozen=True)
class Run:
    """One run of the suite."""

    command: str
    date: str
    method: Mapping[str, float]
    machine: Mapping[str, str]
    workloads: Mapping[str, WorkloadResult]

    def failed(self) -> bool:
        """Whether a peer failed, or nothing at all was measured."""
        outcomes = [each for workload in self.workloads.values() for each in workload.outcomes.values()]
        return any(each.failed for each in outcomes) or not any(each.samples for each in outcomes)


def to_json(run: Run) -> dict[str, Any]:
    """Returns the run as plain data; `SCHEMA` tells its shape."""
    return {
        "schema": SCHEMA,
        "command": run.command,
        "date": run.date,
        "method": dict(run.method),
        "machine": dict(run.machine),
        "workloads": {name: _workload_to_json(workload) for name, workload in run.workloads.items()},
    }


def _workload_to_json(workload: WorkloadResult) -> dict[str, Any]:
    peers = {
        name: {
            "status": outcome.status,
            "reason": outcome.reason,
            "rounds": [{"round": number, **sample} for number, sample in sorted(outcome.samples.items())],
        }
        for name, outcome in workload.outcomes.items()
    }
    return {
        "title": workload.title,
        "settings": dict(workload.settings),
        "compared": list(workload.compared),
        "baseline": workload.baseline,
        "peers": peers,
    }


def from_json(data: Any) -> Run:
    """The reverse of `to_json`.

    Raises:
        SchemaError: this is not such data.
    """
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise SchemaError(f"not a result of this suite (schema {SCHEMA})")
    return Run(
        command=data["command"],
        date=data["date"],
        method=data["method"],
        machine=data["machine"],
        workloads={name: _workload_from_json(each) for name, each in data["workloads"].items()},
    )


def _workload_from_json(data: dict[str, Any]) -> WorkloadResult:
    outcomes = {}
    for name, peer in data["peers"].items():
        outcome = outcomes[name] = Outcome()
        if peer["status"] == "missing":
            outcome.missing = peer["reason"]
        elif peer["status"] == "failed":
            outcome.failed = peer["reason"]
        for row in peer["rounds"]:
            outcome.samples[row["round"]] = {key: value for key, value in row.items() if key != "round"}
    return WorkloadResult(
        title=data["title"],
        settings=data["settings"],
        compared=tuple(data["compared"]),
        baseline=data["baseline"],
        outcomes=outcomes,
    )
