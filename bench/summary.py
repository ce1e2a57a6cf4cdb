"""From samples to figures: medians over the rounds, and ratios within each round."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from bench.results import Outcome


@dataclass(frozen=True)
class Spread:
    """The smallest, middle and largest of several values, and how many there are."""

    min: float
    median: float
    max: float
    count: int


def spread(values: Iterable[float]) -> Spread | None:
    """Summarizes values; None if there are none."""
    known = list(values)
    return Spread(min(known), median(known), max(known), len(known)) if known else None


def medians(outcome: Outcome) -> dict[str, float]:
    """Returns the median over the rounds of each figure of an outcome that has samples."""
    rows = list(outcome.samples.values())
    return {name: median(row[name] for row in rows) for name in rows[0]}


def absolute(figure: str, outcome: Outcome) -> Spread | None:
    """Summarizes one figure over the rounds; None if it was not measured."""
    return spread(sample[figure] for sample in outcome.samples.values() if figure in sample)


def ratios(figure: str, outcome: Outcome, baseline: Outcome) -> Mapping[int, float]:
    """Divides one figure by the baseline's of the same round; by round.

    Pairs of one round ran within seconds of each other, so what slows the machine for longer
    cancels out, as it would not in a ratio of two medians.
    """
    shared = sorted(outcome.samples.keys() & baseline.samples.keys())
    pairs = {n: (outcome.samples[n].get(figure), baseline.samples[n].get(figure)) for n in shared}
    # CPU time may round to nothing in a window shorter than a scheduler tick.
    return {n: own / other for n, (own, other) in pairs.items() if own is not None and other and other > 0}


def ratio(figure: str, outcome: Outcome, baseline: Outcome) -> Spread | None:
    """Summarizes `ratios`; None if the two share no round."""
    return spread(ratios(figure, outcome, baseline).values())
