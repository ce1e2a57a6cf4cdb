"""A table of states and events, drawn and written down: the same for whatever has such a table."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from generated import list_table
from svg import Drawing


class LabelledState(Protocol):
    """A member of an enumeration of states."""

    @property
    def name(self) -> str:
        """Its name in the code."""

    @property
    def label(self) -> str:
        """It in words."""


@dataclass(frozen=True)
class StateMachine:
    """The states of something, where each of them stands in the drawing, and what leads from one to the next.

    Attributes:
        name: Identifies the drawing within its page.
        title: What it shows.
        transitions: For each state, where which event leads.
        places: The left upper corner of each state's box.
        width: Of the drawing.
        height: Of the drawing.
        box: Width and height of a box.
    """

    name: str
    title: str
    transitions: Mapping[LabelledState, Mapping[enum.Enum, LabelledState]]
    places: Mapping[LabelledState, tuple[float, float]]
    width: int
    height: int
    box: tuple[int, int] = (150, 44)

    @property
    def events(self) -> list[enum.Enum]:
        """All events, in their order; each is known by its number, from 1 on."""
        (kind,) = {type(event) for moves in self.transitions.values() for event in moves}
        return list(kind)

    def arrows(self) -> dict[tuple[LabelledState, LabelledState], list[int]]:
        """Returns, for each pair of states that has an arrow, the numbers of the events along it."""
        numbers = {event: number for number, event in enumerate(self.events, 1)}
        found: dict[tuple[LabelledState, LabelledState], list[int]] = {}
        for state, moves in self.transitions.items():
            for event, target in moves.items():
                if target is not state:
                    found.setdefault((state, target), []).append(numbers[event])
        return found

    def draw(self) -> str:
        """Draws the states and, for each pair of them, one arrow with the events that lead along it.

        Raises:
            ValueError: A state has no place, or the other way round.
        """
        if missing := set(self.transitions) ^ set(self.places):
            raise ValueError(f"states without a place in the drawing, or the other way round: {missing}")
        drawing = Drawing(self.name, self.title, self.width, self.height)
        labels = [(self._arrow(drawing, *pair), numbers) for pair, numbers in self.arrows().items()]
        for state, (x, y) in self.places.items():
            drawing.box(x, y, *self.box, state.name, state.label)
        for (x, y), numbers in labels:
            drawing.label(x, y, " ".join(map(str, numbers)))
        return str(drawing)

    def legend(self) -> str:
        """Writes down what the numbers of the drawing stand for."""
        return list_table(
            ("Number", "Event"), [(str(number), event.value) for number, event in enumerate(self.events, 1)]
        )

    def table(self) -> str:
        """Writes down where each event leads, by its number."""
        columns = [str(number) for number, _ in enumerate(self.events, 1)]
        moves = [(state.name, *(self._leads(state, event) for event in self.events)) for state in self.places]
        return "\n".join(
            [
                "Where each event leads, by its number; a dash: it cannot come, or changes nothing.",
                "",
                list_table(("State", *columns), moves, kind="small"),
            ]
        )

    def _leads(self, state: LabelledState, event: enum.Enum) -> str:
        target = self.transitions[state].get(event)
        return target.name if target else "\\-"

    def _arrow(self, drawing: Drawing, start: LabelledState, end: LabelledState) -> tuple[float, float]:
        """Draws an arrow between the borders of two boxes; returns where its label goes."""
        x1, y1 = self._middle(start)
        x2, y2 = self._middle(end)
        # A bow keeps arrows apart that would lie in one line; flat ones to the right pass above others.
        bow = -0.12 if x2 - x1 > 2.6 * (y2 - y1) > 0 else 0.12
        cx, cy = (x1 + x2) / 2 - (y2 - y1) * bow, (y1 + y2) / 2 + (x2 - x1) * bow
        x1, y1 = self._border(x1, y1, cx, cy)
        x2, y2 = self._border(x2, y2, cx, cy)
        drawing.path(f"M{x1:.0f} {y1:.0f}Q{cx:.0f} {cy:.0f} {x2:.0f} {y2:.0f}")
        return (x1 + 2 * cx + x2) / 4, (y1 + 2 * cy + y2) / 4

    def _middle(self, state: LabelledState) -> tuple[float, float]:
        (x, y), (width, height) = self.places[state], self.box
        return x + width / 2, y + height / 2

    def _border(self, x: float, y: float, to_x: float, to_y: float) -> tuple[float, float]:
        """Returns where the way from the middle of a box to another point leaves the box."""
        dx, dy = to_x - x, to_y - y
        width, height = self.box
        scale = min(width / 2 / abs(dx) if dx else 9, height / 2 / abs(dy) if dy else 9, 1)
        return x + dx * scale, y + dy * scale
