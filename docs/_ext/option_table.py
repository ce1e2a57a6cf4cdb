"""The options with their defaults, what they do, and what they cost."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from generated import list_table, rst_directive
from sphinx.application import Sphinx

from netcore import Options
from netcore.cli.option_settings import meaning_of_options

COSTS = Path(__file__).parents[1] / "reference" / "option-costs.txt"
"""One line for each option: its name, a colon, and what it costs to set it."""


def describe() -> str:
    """Writes the table.

    Raises:
        ValueError: The options and the costs do not have the same names.
    """
    meanings, costs = meaning_of_options(), read_costs(COSTS.read_text())
    names = [field.name for field in dataclasses.fields(Options)]
    if odd := set(names) ^ set(costs) | set(names) ^ set(meanings):
        raise ValueError(f"options without a meaning or a cost, or the other way round: {sorted(odd)}")
    rows = [
        (f"``{field.name}``", f"``{shown(field.default)}``", meanings[field.name], costs[field.name])
        for field in dataclasses.fields(Options)
    ]
    return list_table(("Option", "Default", "What it does", "What it costs"), rows, "18 12 40 30")


def shown(default: object) -> str:
    """Returns a default as one would write it: large powers of two as shifts of their unit."""
    if type(default) is int and default >= 1 << 16 and default % (1 << 10) == 0:
        return f"{default >> 20} << 20" if default % (1 << 20) == 0 else f"{default >> 10} << 10"
    return repr(default)


def read_costs(text: str) -> dict[str, str]:
    """Reads the lines of the file of costs."""
    return {
        name: cost.strip() for name, _, cost in (line.partition(":") for line in text.splitlines() if line)
    }


def setup(app: Sphinx) -> None:
    """Registers the directive."""
    app.add_directive("option-table", rst_directive(describe))
