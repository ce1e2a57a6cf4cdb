"""The options, of netcore and of KCP, with their defaults, what they do, and what they cost."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from generated import list_table, rst_directive
from sphinx.application import Sphinx

from netcore import Options
from netcore.cli.option_settings import meaning_of_options
from netcore.kcp import KcpOptions

_REFERENCE = Path(__file__).parents[1] / "reference"

COSTS, KCP_COSTS = _REFERENCE / "option-costs.txt", _REFERENCE / "kcp-option-costs.txt"
"""One line for each option: its name, a colon, and what it costs to set it."""


def describe() -> str:
    """Writes the table of ``Options``."""
    return _table(Options, COSTS)


def describe_kcp() -> str:
    """Writes that of ``KcpOptions``."""
    return _table(KcpOptions, KCP_COSTS)


def _table(options: type[Options | KcpOptions], file: Path) -> str:
    """Writes one.

    Raises:
        ValueError: The options and the costs do not have the same names.
    """
    meanings, costs = meaning_of_options(options), read_costs(file.read_text())
    names = [field.name for field in dataclasses.fields(options)]
    if odd := set(names) ^ set(costs) | set(names) ^ set(meanings):
        raise ValueError(f"options without a meaning or a cost, or the other way round: {sorted(odd)}")
    rows = [
        (f"``{field.name}``", f"``{shown(field.default)}``", meanings[field.name], costs[field.name])
        for field in dataclasses.fields(options)
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
    """Registers the directives."""
    app.add_directive("option-table", rst_directive(describe))
    app.add_directive("kcp-option-table", rst_directive(describe_kcp))
