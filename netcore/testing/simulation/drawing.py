"""Drawing schedules of faults, and worlds: one way, be it by a seed or by Hypothesis.

A fault takes four decisions, each a number of which the least is the simplest: what it is, how exact its
times are, its beginning and its length. Hypothesis goes towards the least. It leaves out up to five decisions
in a row, so a whole fault at a time; and times stay almost what they are when they become less exact, or it
would not go there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from netcore._durations import seconds
from netcore.testing.simulation.arguments import check_host, several
from netcore.testing.simulation.schedule import (
    ClockJump,
    ClockSkew,
    Crash,
    LinkChange,
    Names,
    Partition,
    PlannedFault,
    Schedule,
)
from netcore.testing.simulation.spikes import Spikes

__all__ = [
    "FAULTS",
    "Choose",
    "draw_condition",
    "draw_fault",
    "draw_schedule",
    "kinds_of",
]

Choose = Callable[[int], int]
"""Decides: returns a number from zero on, and less than the one that it is given."""

FAULTS: tuple[type[PlannedFault], ...] = (Partition, Crash, LinkChange, ClockSkew, ClockJump)
"""The kinds of faults, the simplest first."""

_PER_SECOND = 1000
"""Times are drawn in milliseconds, the shortest there is."""

_EXACTNESS = (1000, 100, 1)
"""How many of these a time is a multiple of."""

_LINKS = (
    *(("loss", value) for value in (0.5, 0.1, 0.01)),
    *(("latency", value) for value in (0.1, 0.01, 0.5, 2.0)),
    *(("bandwidth", value) for value in (100_000.0, 10_000.0, 1_000.0)),
    *(("reorder", value) for value in (0.5, 0.1)),
    *(("duplicate", value) for value in (0.5, 0.1)),
)
_SPIKES = (Spikes(0.001, 0.1, 0.2), Spikes(0.001, 0.5, 0.05), Spikes(0.01, 2.0, 0.05))
"""Of all links of one host at once: who asks a majority has some answers soon, and others late."""

_SPIKING = len(_LINKS)
"""How many kinds of changes of a link these count as: half of all."""

_RATES = (2.0, 0.5, 1.1, 0.9, 1.001)
_JUMPS = (60.0, -60.0, 1.0, -1.0, 3600.0, -3600.0)


def kinds_of(
    hosts: Iterable[str], duration: float, kinds: Iterable[type[PlannedFault]]
) -> tuple[tuple[str, ...], tuple[type[PlannedFault], ...]]:
    """Returns hosts, and the kinds of faults that can happen to them, in the order of ``FAULTS``.

    Raises:
        TypeError: The duration is no number, a name no text, or what is to be several is but one.
        ValueError: There is no host, or no kind that is left, or the duration is not above zero, or infinite.
    """
    if seconds(duration, "duration", positive=True) == math.inf:
        raise ValueError("duration is infinite: faults are to be over in the end")
    given = several(hosts, "hosts")
    for name in given:
        check_host(name)
    names, asked = tuple(dict.fromkeys(given)), several(kinds, "kinds")
    if unknown := [kind for kind in asked if kind not in FAULTS]:
        known = ", ".join(kind.__name__ for kind in FAULTS)
        raise ValueError(f"{unknown[0]!r} is no kind of fault: there are {known}")
    two = len(names) > 1
    possible = tuple(
        kind for kind in FAULTS if kind in asked and (two or kind not in (Partition, LinkChange))
    )
    if not names or not possible:
        raise ValueError(f"no fault can be drawn for hosts {names!r} and kinds {asked!r}")
    return names, possible


def draw_schedule(
    choose: Choose, hosts: Sequence[str], duration: float, kinds: Sequence[type[PlannedFault]], most: int
) -> Schedule:
    """Draws up to so many faults, at least one; see ``draw_fault``."""
    return Schedule(*(draw_fault(choose, hosts, duration, kinds) for _ in range(1 + choose(most))))


def draw_fault(
    choose: Choose, hosts: Sequence[str], duration: float, kinds: Sequence[type[PlannedFault]]
) -> PlannedFault:
    """Draws one fault, which begins and is over within some seconds."""
    makes = [_made(kind, hosts) for kind in kinds]
    which, kind = divmod(choose(len(kinds) * max(possible for _, possible in makes)), len(kinds))
    make, possible = makes[kind]
    unit = _EXACTNESS[choose(len(_EXACTNESS))]
    most = max(int(duration * _PER_SECOND), 1)
    # Up, since hardly anything fails at the very beginning: Hypothesis tries a larger unit by itself when it
    # makes a fault simpler, without another beginning.
    at = min(-(-choose(most) // unit), (most - 1) // unit) * unit
    lasting = (choose(most) // unit + 1) * unit
    return make(which % possible, at / _PER_SECOND, min(lasting, most - at) / _PER_SECOND)


def draw_condition(choose: Choose, hosts: Sequence[str]) -> PlannedFault:
    """Draws something that is otherwise than by default, from the beginning to the end."""
    make, possible = _made((ClockSkew, LinkChange)[choose(min(len(hosts), 2))], hosts)
    return make(choose(possible), 0.0, None)


Make = Callable[[int, float, "float | None"], PlannedFault]
"""Makes a fault of a number, its beginning and its length."""


def _made(kind: type[PlannedFault], hosts: Sequence[str]) -> tuple[Make, int]:
    """Returns what makes faults of a kind, and of how many numbers it does."""
    many = len(hosts)
    pairs = many * (many - 1)

    def pair(number: int) -> tuple[str, str]:
        first, second = divmod(number, many - 1)
        return hosts[first], hosts[second + (second >= first)]

    def part(number: int, at: float, lasting: float | None) -> Partition:
        number, one_way = number % sides, number >= sides
        a, b = _sides(number - pairs, hosts) if number >= pairs else pair(number)
        return Partition(at, a, b, one_way=one_way, lasting=lasting)

    def crash(number: int, at: float, lasting: float | None) -> Crash:
        return Crash(at, hosts[number], lasting=lasting)

    def change(number: int, at: float, lasting: float | None) -> LinkChange:
        if number >= len(_LINKS) * pairs:
            which, host = divmod(number - len(_LINKS) * pairs, many)
            others = (*hosts[:host], *hosts[host + 1 :])
            b = others if len(others) > 1 else others[0]
            return LinkChange(at, hosts[host], b, lasting=lasting, latency=_SPIKES[which % len(_SPIKES)])
        name, value = _LINKS[number // pairs]
        changed: dict[str, Any] = {name: value}
        return LinkChange(at, *pair(number % pairs), lasting=lasting, **changed)

    def skew(number: int, at: float, lasting: float | None) -> ClockSkew:
        return ClockSkew(at, hosts[number % many], _RATES[number // many], lasting=lasting)

    def jump(number: int, at: float, lasting: float | None) -> ClockJump:
        return ClockJump(at, hosts[number % many], _JUMPS[number // many], lasting=lasting)

    sides = pairs + (2 * many * (many // 2) if many > 2 else 0)
    made: dict[type[PlannedFault], tuple[Make, int]] = {
        Partition: (part, 2 * sides),
        Crash: (crash, many),
        LinkChange: (change, (len(_LINKS) + _SPIKING) * pairs),
        ClockSkew: (skew, len(_RATES) * many),
        ClockJump: (jump, len(_JUMPS) * many),
    }
    return made[kind]


def _sides(number: int, hosts: Sequence[str]) -> tuple[Names, Names]:
    """Divides hosts: some that are next to each other, at most half of all, and the others; or reversed."""
    many = len(hosts)
    number, reverse = divmod(number, 2)
    size, first = divmod(number, many)
    turned = (*hosts[first:], *hosts[:first])
    a: Names = turned[: size + 1] if size else turned[0]
    return (turned[size + 1 :], a) if reverse else (a, turned[size + 1 :])
