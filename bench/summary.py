"""From samples to figures: medians over the rounds, and ratios within each round."""

from dataclasses import asdict, dataclass
from statistics import median

from bench.rounds import Outcome


@dataclass(frozen=True)
class Spread:
    """The smallest, middle and largest of several values."""

    min: float
    median: float
    max: float


def medians(outcome: Outcome) -> dict[str, float]:
    """Returns the median over the rounds of each figure of a sample."""
    rows = [asdict(sample) for sample in outcome.samples.values()]
    return {name: median(row[name] for row in rows) for name in rows[0]}


def ratio(figure: str, outcome: Outcome, baseline: Outcome) -> Spread | None:
    """Compares one figure with the baseline's of the same round; None if they share no round.

    Pairs of one round ran within seconds of each other, so what slows the machine for longer
    cancels out, as it would not in a ratio of two medians.
    """
    shared = sorted(outcome.samples.keys() & baseline.samples.keys())
    pairs = [(getattr(outcome.samples[n], figure), getattr(baseline.samples[n], figure)) for n in shared]
    # CPU time may round to nothing in a window shorter than a scheduler tick.
    values = [own / reference for own, reference in pairs if reference > 0]
    return Spread(min(values), median(values), max(values)) if values else None
