"""Strategies of Hypothesis for what goes wrong in a world, and for whole worlds.

Hypothesis is not among what netcore needs: who imports this module has it. What it finds it makes smaller:
fewer faults, simpler ones, earlier ones, whole seconds; what it shows in the end can be pasted into a test.
Before Python 3.12 it becomes ten times as slow by its phase ``explain``, which traces each line of the world:
``settings(phases=[Phase.generate, Phase.shrink])`` leaves that out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from netcore.testing.simulation.arguments import whole
from netcore.testing.simulation.drawing import FAULTS, Choose, draw_condition, draw_fault, kinds_of
from netcore.testing.simulation.scenario import Scenario
from netcore.testing.simulation.schedule import PlannedFault, Schedule

__all__ = ["faults", "worlds"]

_MOST_SEED = (1 << 32) - 1


Draw = Callable[[SearchStrategy[int]], int]


def _decided_by(draw: Draw) -> Choose:
    return lambda many: draw(st.integers(0, many - 1))


def faults(
    hosts: Iterable[str],
    duration: float,
    *,
    kinds: Iterable[type[PlannedFault]] = FAULTS,
    most: int = 8,
) -> SearchStrategy[Schedule]:
    """Draws schedules of faults, which are all over in the end; also none at all.

    Args:
        hosts: The names of the hosts that something may happen to.
        duration: Virtual seconds within which every fault begins and is over.
        kinds: Which kinds of faults.
        most: How many at most.

    Raises:
        TypeError: The duration or ``most`` is no number, a name no text, or what is to be several is not.
        ValueError: No fault can be drawn of these, or ``most`` is negative.
    """
    names, possible = kinds_of(hosts, duration, kinds)
    whole(most, "most", 0)

    @st.composite
    def one(draw: Draw) -> PlannedFault:
        return draw_fault(_decided_by(draw), names, duration, possible)

    return st.lists(one(), max_size=most).map(lambda drawn: Schedule(*drawn))


def worlds(
    hosts: Iterable[str],
    duration: float,
    *,
    kinds: Iterable[type[PlannedFault]] = FAULTS,
    most: int = 8,
) -> SearchStrategy[Scenario]:
    """Draws worlds: a seed, links and clocks that are not as by default, and faults as ``faults`` draws them.

    Args:
        hosts: The names of the hosts.
        duration: See ``faults``.
        kinds: See there.
        most: How many faults at most, and as many other conditions.

    Raises:
        TypeError: The duration or ``most`` is no number, a name no text, or what is to be several is not.
        ValueError: No fault can be drawn of these, or ``most`` is negative.
    """
    names, possible = kinds_of(hosts, duration, kinds)
    whole(most, "most", 0)

    @st.composite
    def condition(draw: Draw) -> PlannedFault:
        return draw_condition(_decided_by(draw), names)

    return st.builds(
        Scenario,
        st.integers(0, _MOST_SEED),
        st.just(names),
        conditions=st.lists(condition(), max_size=most).map(lambda drawn: Schedule(*drawn)),
        faults=faults(names, duration, kinds=possible, most=most),
    )
