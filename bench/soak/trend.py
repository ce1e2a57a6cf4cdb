"""Telling growth from noise: a slope that outliers do not move, and a test whether it is one at all."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Trend", "trend"]

_ENOUGH = 8
"""Samples below which no trend can be told from chance."""

_SURE = 3.0
"""Standard deviations from which a trend counts as one: chance does that once in 700 runs."""


@dataclass(frozen=True)
class Trend:
    """How a figure has moved over a run.

    Attributes:
        slope: Per sample, the median over all pairs of samples (Theil and Sen).
        growth: What the slope makes over all samples.
        z: How far the count of rising pairs is from chance (Mann and Kendall), in standard deviations.
        judged: Whether there were samples enough.
    """

    slope: float
    growth: float
    z: float
    judged: bool

    def grows(self, tolerance: float) -> bool:
        """Whether the figure has risen by more than ``tolerance``, and not by chance."""
        return self.judged and self.z > _SURE and self.growth > tolerance


def trend(samples: Sequence[float], warm_up: float = 0.25) -> Trend:
    """Judges samples taken at equal distances, without the first quarter, in which caches fill."""
    kept = samples[int(len(samples) * warm_up) :]
    n = len(kept)
    if n < 2:
        return Trend(0.0, 0.0, 0.0, False)
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    slope = statistics.median((kept[j] - kept[i]) / (j - i) for i, j in pairs)
    s = sum((kept[j] > kept[i]) - (kept[j] < kept[i]) for i, j in pairs)
    variance = n * (n - 1) * (2 * n + 5) / 18
    z = (s - math.copysign(1, s)) / math.sqrt(variance) if s else 0.0
    return Trend(slope, slope * (n - 1), z, n >= _ENOUGH)
