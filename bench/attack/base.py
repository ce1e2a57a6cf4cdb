"""What an attack is: a program with bounds, what it shows, and the figures that must hold."""

from __future__ import annotations

import importlib
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.attack.scene import Scene

Figures = dict[str, float]

_RELATIONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "=": operator.eq,
}

FAMILIES = ("floods", "readers", "trickles", "openings", "fuzzers", "limits", "stalls")
"""The modules that have attacks; they are shown in this order."""


@dataclass(frozen=True)
class Bound:
    """What a figure must be."""

    relation: str
    limit: float

    def holds(self, value: float) -> bool:
        """Whether a figure is so."""
        return _RELATIONS[self.relation](value, self.limit)

    def __str__(self) -> str:
        return f"{self.relation} {self.limit:g}"


def at_most(limit: float) -> Bound:
    """Not above."""
    return Bound("<=", limit)


def at_least(limit: float) -> Bound:
    """Not below."""
    return Bound(">=", limit)


def exactly(limit: float) -> Bound:
    """Neither."""
    return Bound("=", limit)


UNHARMED = {"worst ping, s": at_most(2.0), "pings lost": exactly(0)}
"""A neighbour is served all the while. The bound tells one who is starved, which lasts as long as the attack,
from one on a busy machine."""

CLEAN = {"connections left": exactly(0), "descriptors left": at_most(0)}
"""Nothing is left of those who have gone."""


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
        name: As on the command line.
        text: What it does, in a line.
        held: What its figures must be, by their names.
        run: Does it, and returns the figures.
    """

    name: str
    text: str
    held: dict[str, Bound]
    run: Callable[[Scene], Figures]


@dataclass
class Outcome:
    """How one attack went.

    Attributes:
        attack: Which.
        figures: What was measured.
        error: Why there are none: something has failed, or is not installed.
        missing: Whether it could not be tried here, which is no failure.
        seconds: How long it took.
    """

    attack: Attack
    figures: Figures
    error: str = ""
    missing: bool = False
    seconds: float = 0.0

    def broken(self) -> list[str]:
        """Says which bounds do not hold; all of them do if the list is empty."""
        if self.error:
            return [] if self.missing else [self.error]
        return [
            f"{name} is {self.figures.get(name, float('nan')):g}, not {bound}"
            for name, bound in self.attack.held.items()
            if not bound.holds(self.figures.get(name, float("nan")))
        ]


ATTACKS: dict[str, Attack] = {}
"""All that have been loaded, by name."""


def attack(
    name: str, text: str, held: dict[str, Bound]
) -> Callable[[Callable[[Scene], Figures]], Callable[[Scene], Figures]]:
    """Makes an attack of a function."""

    def register(run: Callable[[Scene], Figures]) -> Callable[[Scene], Figures]:
        ATTACKS[name] = Attack(name, text, held, run)
        return run

    return register


def load() -> dict[str, Attack]:
    """Loads all attacks and returns them, family by family."""
    for family in FAMILIES:
        importlib.import_module(f"bench.attack.attacks.{family}")
    return ATTACKS
