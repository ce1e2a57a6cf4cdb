"""How long turns and callbacks take, as histograms."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

__all__ = ["Histogram", "Timings"]


@dataclasses.dataclass(frozen=True, slots=True)
class Histogram:
    """How many of some durations were how long, since the start. It only ever grows.

    Attributes:
        bounds: The upper bounds of the buckets in seconds, ascending, each within its bucket.
        counts: How many durations are in each bucket, and last how many were above all bounds; not
            cumulative.
        sum: All the durations together, in seconds.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    @property
    def count(self) -> int:
        """How many durations there are."""
        return sum(self.counts)

    @classmethod
    def total(cls, parts: Iterable[Histogram]) -> Histogram:
        """Adds histograms of the same bounds up, of which there has to be one.

        Raises:
            ValueError: There is none, or the bounds are not the same.
        """
        first, *rest = parts
        for part in rest:
            if part.bounds != first.bounds:
                raise ValueError("histograms of different buckets cannot be added up")
        columns = zip(first.counts, *(part.counts for part in rest), strict=True)
        return cls(first.bounds, tuple(map(sum, columns)), first.sum + sum(part.sum for part in rest))


@dataclasses.dataclass(frozen=True, slots=True)
class Timings:
    """Where the time of a loop, or of all loops of an engine together, has gone.

    Attributes:
        turn: Its turns, each from the end of a wait to the beginning of the next.
        callback: The callbacks of the application in them.
    """

    turn: Histogram
    callback: Histogram

    @classmethod
    def total(cls, parts: Iterable[Timings]) -> Timings:
        """Adds those of several loops up, of which there has to be one.

        Raises:
            ValueError: See ``Histogram.total``.
        """
        listed = list(parts)
        return cls(
            Histogram.total(part.turn for part in listed), Histogram.total(part.callback for part in listed)
        )
