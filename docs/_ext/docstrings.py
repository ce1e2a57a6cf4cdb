"""Small corrections of what autodoc and napoleon make of docstrings."""

from __future__ import annotations

import inspect
import re
from typing import Any

from sphinx.application import Sphinx

_VALUES = ("attribute", "data", "property")

_kept: dict[str, list[str]] = {}


def before_napoleon(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Keeps napoleon from taking the words before a colon for a type: the types are in the signatures."""
    if what in _VALUES:
        _kept[name] = list(lines)
    for number, line in enumerate(lines):
        if line.strip() == "Returns:" and number + 1 < len(lines):
            lines[number + 1] = lines[number + 1].replace(": ", " -- ")


def after_napoleon(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Restores the docstrings of values, and drops those that belong to the type of a constant."""
    if what in _VALUES:
        lines[:] = _kept.pop(name, lines)
    own = inspect.cleandoc(type(obj).__doc__ or "").splitlines()
    if what == "data" and own and [line for line in lines if line][:1] == own[:1]:
        lines.clear()


def attributes_of(cls: type) -> list[str]:
    """Returns what the section "Attributes" of a class describes: its members need no second entry."""
    section = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:\n")[2]
    return re.findall(r"^    (\w+):", section, re.MULTILINE)


def setup(app: Sphinx) -> None:
    """Registers the corrections, around napoleon's own step at priority 500."""
    app.connect("autodoc-process-docstring", before_napoleon, priority=400)
    app.connect("autodoc-process-docstring", after_napoleon, priority=600)
