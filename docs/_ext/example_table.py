"""The example programs, each with the first sentence of its docstring and what it needs to be installed."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

from generated import list_table, rst_directive
from sphinx.application import Sphinx

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_ROOT = Path(__file__).parents[2]
_NEEDED = re.compile(r'needed\("([^"]+)"\)')


def describe() -> str:
    """Writes the table of all programs, those of the tutorial left out."""
    source = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["urls"]["Source"]
    rows = []
    for path in sorted((_ROOT / "examples").glob("*.py")):
        text = path.read_text()
        if "__main__" in text:
            about = (ast.get_docstring(ast.parse(text)) or "").partition("\n\n")[0]
            needs = ", ".join(f"``{package}``" for package in _NEEDED.findall(text))
            link = f"`{path.name} <{source}/blob/main/examples/{path.name}>`__"
            rows.append((link, about, needs))
    return list_table(("Program", "What it is", "Install"), rows, "25 50 25")


def setup(app: Sphinx) -> None:
    """Registers the directive."""
    app.add_directive("example-table", rst_directive(describe))
