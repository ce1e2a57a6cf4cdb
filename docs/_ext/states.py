"""The states of a stream connection, as a table and as a drawing, from the table that the code runs on."""

from __future__ import annotations

from generated import list_table, rst_directive, svg_directive
from sphinx.application import Sphinx
from svg import Drawing

from netcore.connection import TRANSITIONS, Event, State

_WIDTH, _HEIGHT, _BOX_W, _BOX_H = 760, 490, 150, 44

_PLACES = {
    State.OPEN: (305, 14),
    State.SHUTTING: (20, 120),
    State.PEER_CLOSED: (590, 120),
    State.FAILED: (165, 240),
    State.WRITE_SHUT: (20, 330),
    State.CLOSING: (590, 330),
    State.CLOSED: (305, 440),
}
"""Where each state stands: the left upper corner of its box."""


def draw() -> str:
    """Draws the states and, for each pair of them, one arrow with the events that lead along it."""
    if missing := set(TRANSITIONS) ^ set(_PLACES):
        raise ValueError(f"states without a place in the drawing, or the other way round: {missing}")
    drawing = Drawing("states", "The states of a stream connection", _WIDTH, _HEIGHT)
    labels = []
    for state, moves in TRANSITIONS.items():
        ways: dict[State, list[Event]] = {}
        for event, target in moves.items():
            if target is not state:
                ways.setdefault(target, []).append(event)
        for target, events in ways.items():
            labels.append((_arrow(drawing, state, target), events))
    for state, (x, y) in _PLACES.items():
        drawing.box(x, y, _BOX_W, _BOX_H, state.name, state.label)
    numbers = {event: number for number, event in enumerate(Event, 1)}
    for (x, y), events in labels:
        drawing.label(x, y, " ".join(f"{numbers[event]}" for event in events))
    return str(drawing)


def _arrow(drawing: Drawing, start: State, end: State) -> tuple[float, float]:
    """Draws an arrow between the borders of two boxes; returns where its label goes."""
    x1, y1 = (place + size / 2 for place, size in zip(_PLACES[start], (_BOX_W, _BOX_H), strict=True))
    x2, y2 = (place + size / 2 for place, size in zip(_PLACES[end], (_BOX_W, _BOX_H), strict=True))
    # A bow keeps arrows apart that would lie in one line; flat ones to the right pass above what is there.
    bow = -0.12 if x2 - x1 > 2.6 * (y2 - y1) > 0 else 0.12
    cx, cy = (x1 + x2) / 2 - (y2 - y1) * bow, (y1 + y2) / 2 + (x2 - x1) * bow
    x1, y1 = _border(x1, y1, cx, cy)
    x2, y2 = _border(x2, y2, cx, cy)
    drawing.path(f"M{x1:.0f} {y1:.0f}Q{cx:.0f} {cy:.0f} {x2:.0f} {y2:.0f}")
    return (x1 + 2 * cx + x2) / 4, (y1 + 2 * cy + y2) / 4


def _border(x: float, y: float, to_x: float, to_y: float) -> tuple[float, float]:
    """Returns where the way from the middle of a box to another point leaves the box."""
    dx, dy = to_x - x, to_y - y
    scale = min(_BOX_W / 2 / abs(dx) if dx else 9, _BOX_H / 2 / abs(dy) if dy else 9, 1)
    return x + dx * scale, y + dy * scale


def legend() -> str:
    """Writes down what the numbers of the drawing stand for."""
    return list_table(
        ("Number", "Event"), [(str(number), event.value) for number, event in enumerate(Event, 1)]
    )


def table() -> str:
    """Writes what each state allows, and where each event leads."""

    def mark(yes: bool) -> str:
        return "yes" if yes else "no"

    facts = [
        (f"``{state.name}``", state.label, mark(state.receives), mark(state.writes), mark(state.drops_output))
        for state in State
    ]
    columns = [str(number) for number, _ in enumerate(Event, 1)]
    moves = [(state.name, *(_leads(state, event) for event in Event)) for state in State]
    return "\n".join(
        [
            list_table(("State", "In words", "Delivers input", "Takes writes", "Drops output"), facts),
            "Where each event leads, by its number; a dash means that it cannot come, or changes nothing.",
            "",
            list_table(("State", *columns), moves, kind="small"),
        ]
    )


def _leads(state: State, event: Event) -> str:
    target = TRANSITIONS[state].get(event)
    return target.name if target else "\\-"


def setup(app: Sphinx) -> None:
    """Registers the directives."""
    app.add_directive("state-diagram", svg_directive(draw))
    app.add_directive("state-legend", rst_directive(legend))
    app.add_directive("state-table", rst_directive(table))
