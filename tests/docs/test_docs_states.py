"""The tables of states, and what is drawn of them: no state and no way is left out."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from netcore.supervisor import states as process

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The extension that draws; it needs what the site is built with."""
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    return importlib.import_module("states")


@pytest.mark.parametrize("name", ["CONNECTION", "PROCESS"])
def test_every_state_is_drawn_and_every_way_from_one_to_the_next(name: str, states: ModuleType) -> None:
    machine: Any = getattr(states, name)
    svg = machine.draw()
    for state in machine.transitions:
        assert f">{state.name}</text>" in svg and f">{state.label}</text>" in svg
    ways = {
        (state, to) for state, moves in machine.transitions.items() for to in moves.values() if to != state
    }
    assert set(machine.arrows()) == ways
    assert len(re.findall(r'<path class="line"', svg)) == len(ways)
    numbers = re.findall(r'class="patch"[^>]*/>\n<text[^>]*>([\d ]+)</text>', svg)
    assert numbers == [" ".join(map(str, events)) for events in machine.arrows().values()]
    drawn = sum(len(events) for events in machine.arrows().values())
    assert drawn == sum(to != state for state, moves in machine.transitions.items() for to in moves.values())


@pytest.mark.parametrize("name", ["CONNECTION", "PROCESS"])
def test_no_two_labels_and_no_two_boxes_lie_on_each_other(name: str, states: ModuleType) -> None:
    svg = getattr(states, name).draw()
    for kind in ("patch", ""):
        boxes = re.findall(rf'<rect class="{kind}" x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"', svg)
        placed = [tuple(map(int, box)) for box in boxes]
        assert placed
        for i, (x, y, width, height) in enumerate(placed):
            for ox, oy, owidth, oheight in placed[:i]:
                assert x >= ox + owidth or ox >= x + width or y >= oy + oheight or oy >= y + height


@pytest.mark.parametrize("name", ["CONNECTION", "PROCESS"])
def test_every_event_has_its_number_and_its_column(name: str, states: ModuleType) -> None:
    machine: Any = getattr(states, name)
    for event in machine.events:
        assert event.value in machine.legend()
    assert all(f"* - {state.name}\n" in machine.table() for state in machine.transitions)


def test_a_state_without_a_place_is_refused(states: ModuleType) -> None:
    machine: Any = states.PROCESS
    places = dict(list(machine.places.items())[1:])
    with pytest.raises(ValueError, match="BOOTING"):
        type(machine)("x", "x", machine.transitions, places, 100, 100).draw()


def test_the_table_of_processes_is_whole() -> None:
    assert set(process.TRANSITIONS) == set(process.State)
    used = {event for moves in process.TRANSITIONS.values() for event in moves}
    assert used == set(process.Event)
    reached = {
        process.State.BOOTING,
        *(to for moves in process.TRANSITIONS.values() for to in moves.values()),
    }
    assert reached == set(process.State)
    for state, moves in process.TRANSITIONS.items():
        assert state not in moves.values(), "what is not in the table changes nothing"
        assert (process.Event.EXIT in moves) == (state is not process.State.GONE)
    assert inspect.getdoc(process)
