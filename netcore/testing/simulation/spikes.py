"""Latencies of which a few are much longer than the others."""

from __future__ import annotations

import random
from dataclasses import dataclass

from netcore.testing.simulation.net.links import number_of
from netcore.testing.simulation.schedule import Plain

__all__ = ["Spikes"]


@dataclass(frozen=True, repr=False)
class Spikes(Plain):
    """A latency for a link that is much longer for a packet now and then: a tail, as real ones have it.

    Where all packets are alike, or their latencies spread evenly, what is sent to several hosts at once
    arrives almost at once. Races of majorities need one message that is under way while others go to and fro.

    Attributes:
        latency: Seconds that a packet takes.
        spike: Seconds that it takes now and then.
        chance: How often that is, from 0 to 1.
    """

    latency: float
    spike: float
    chance: float

    def __post_init__(self) -> None:
        """Refuses what is no latency and no chance.

        Raises:
            TypeError: One is no number.
            ValueError: One is out of its range.
        """
        for what, value, most in (
            ("latency", self.latency, float("inf")),
            ("spike", self.spike, float("inf")),
            ("chance", self.chance, 1.0),
        ):
            if callable(value):
                raise TypeError(f"{what} is {value!r}: it must be a number")
            number_of(value, what, most)

    def __call__(self, source: random.Random) -> float:
        """Returns the latency of one packet, drawn from the world's source of randomness."""
        return float(self.spike if source.random() < self.chance else self.latency)
