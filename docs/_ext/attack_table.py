"""The attacks of `python -m bench.attack`, each with the figures that must hold."""

from __future__ import annotations

import sys
from pathlib import Path

from generated import list_table, rst_directive
from sphinx.application import Sphinx

_ROOT = Path(__file__).parents[2]


def describe() -> str:
    """Writes the table of all attacks, in the order in which they run."""
    if str(_ROOT) not in sys.path:
        sys.path.append(str(_ROOT))  # at the end: what is installed comes first
    from bench.attack.base import load

    rows = [
        (
            f"``{attack.name}``",
            attack.text,
            "; ".join(f"{name} {bound}" for name, bound in attack.held.items()),
        )
        for attack in load().values()
    ]
    return list_table(("Attack", "What it does", "What must hold"), rows, "20 40 40")


def setup(app: Sphinx) -> None:
    """Registers the directive."""
    app.add_directive("attack-table", rst_directive(describe))
