"""Two runs beside each other: what got worse or better by more than their noise."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.figures import FIGURES
from bench.results import Outcome, Run, WorkloadResult
from bench.summary import Spread, absolute, ratio

_FEWEST_ROUNDS = 3


@dataclass(frozen=True)
class Change:
    """One figure of one peer, then and now; as a ratio to the workload's baseline where there is one."""

    workload: str
    peer: str
    figure: str
    before: Spread
    after: Spread

    @property
    def factor(self) -> float:
        """The new median over the old one."""
        return self.after.median / self.before.median if self.before.median else float("inf")

    @property
    def verdict(self) -> str:
        """One of "regression", "improvement", "same", "too few rounds".

        The spreads of the first two do not touch, which means something from a few rounds on only.
        """
        if min(self.before.count, self.after.count) < _FEWEST_ROUNDS:
            return "too few rounds"
        lower_is_better = FIGURES[self.figure].better == "lower"
        if self.after.min > self.before.max:
            return "regression" if lower_is_better else "improvement"
        if self.after.max < self.before.min:
            return "improvement" if lower_is_better else "regression"
        return "same"


def changes(before: Run, after: Run) -> list[Change]:
    """Returns every figure that both runs hold, for every peer but the baselines.

    Figures are compared as ratios to the baseline's, which cancels what differs between the two days; where
    a run has none of them (no baseline measured, or the workload has a single peer) as they are.
    """
    return [
        change
        for name in after.workloads
        if name in before.workloads
        for change in _workload_changes(name, before.workloads[name], after.workloads[name])
    ]


def _workload_changes(name: str, before: WorkloadResult, after: WorkloadResult) -> Iterator[Change]:
    several = before.baseline == after.baseline and _measured(before) and _measured(after)
    for peer in after.outcomes:
        if peer not in before.outcomes or (several and peer == after.baseline):
            continue
        for figure in after.compared:
            if several:
                old, new = _to_baseline(before, peer, figure), _to_baseline(after, peer, figure)
            else:
                old, new = absolute(figure, before.outcomes[peer]), absolute(figure, after.outcomes[peer])
            if old and new:
                yield Change(name, peer, figure, old, new)


def _measured(workload: WorkloadResult) -> bool:
    """Whether there is a baseline, and somebody to compare with it."""
    baseline = workload.outcomes.get(workload.baseline, Outcome())
    return bool(baseline.samples) and sum(bool(each.samples) for each in workload.outcomes.values()) > 1


def _to_baseline(workload: WorkloadResult, peer: str, figure: str) -> Spread | None:
    return ratio(figure, workload.outcomes[peer], workload.outcomes[workload.baseline])
