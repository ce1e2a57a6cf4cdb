"""Small corrections of what autodoc and napoleon make of docstrings."""

from __future__ import annotations

import enum
import inspect
import re
import sys
from typing import Any

from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

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
    """Restores the docstrings of values, and gives constants their own instead of their type's."""
    if what in _VALUES:
        lines[:] = _kept.pop(name, lines)
    if what == "data":
        lines[:] = constant_doc(name.rpartition(".")[2], obj)


def constant_doc(name: str, value: object) -> list[str]:
    """Finds what stands below a constant where it is made: the package that exports it says nothing."""
    for module in [module for each, module in sorted(sys.modules.items()) if each.startswith("netcore.")]:
        if vars(module).get(name) is value:
            documented = ModuleAnalyzer.for_module(module.__name__).find_attr_docs()
            if ("", name) in documented:
                return documented["", name]
    return []


def drop_signature(
    app: Sphinx, what: str, name: str, obj: object, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None] | None:
    """Leaves out what one does not write: a protocol is not called, an enumeration not by its value.

    Nor is what something else makes, as the docstring of ``__init__`` says.
    """
    if inspect.isclass(obj) and (getattr(obj, "_is_protocol", False) or issubclass(obj, enum.Enum)):
        return None, None
    if inspect.isclass(obj) and (obj.__init__.__doc__ or "").startswith("Made by "):
        return None, None
    return None


def attributes_of(cls: type) -> list[str]:
    """Returns what the section "Attributes" of a class describes: its members need no second entry."""
    section = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:\n")[2]
    return re.findall(r"^    (\w+):", section, re.MULTILINE)


def setup(app: Sphinx) -> None:
    """Registers the corrections, around napoleon's own step at priority 500."""
    app.connect("autodoc-process-docstring", before_napoleon, priority=400)
    app.connect("autodoc-process-docstring", after_napoleon, priority=600)
    app.connect("autodoc-process-signature", drop_signature)
