"""The example programs, each with the first sentence of its docstring."""

from __future__ import annotations

import ast
from pathlib import Path

from generated import list_table, rst_directive
from sphinx.application import Sphinx

_EXAMPLES = Path(__file__).parents[2] / "examples"


def describe() -> str:
    """Writes the table of all programs, those of the tutorial left out."""
    rows = []
    for path in sorted(_EXAMPLES.glob("*.py")):
        if path.stem != "__init__":
            about = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n\n")[0]
            rows.append((f"``examples/{path.name}``", about))
    return list_table(("Program", "What it is"), rows, "30 70")


def setup(app: Sphinx) -> None:
    """Registers the directive."""
    app.add_directive("example-table", rst_directive(describe))
