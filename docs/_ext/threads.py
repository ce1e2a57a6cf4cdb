"""Which thread may call what, read from the docstrings and checked against the checks of debug mode."""

from __future__ import annotations

import inspect
import re

from generated import list_table, rst_directive
from sphinx.application import Sphinx

import netcore
from netcore.connection.core import debug
from netcore.worker import WorkerPool

_ANY = re.compile(r"\bany thread\b", re.IGNORECASE)

_ANYWHERE = (netcore.Engine, netcore.Client, netcore.Timer, WorkerPool)
"""Classes all of whose methods may be called on any thread."""

_UNCHECKED = {"pause_reading", "resume_reading", "context"}


def describe() -> str:
    """Writes the table.

    Raises:
        ValueError: A method of `Conn` is for any thread and debug mode forbids it, or the reverse.
    """
    anywhere, loop_only = sorted_members(netcore.Conn)
    checked = {*debug.LOOP_ONLY, *debug.LOOP_ONLY_PROPERTIES}
    if odd := (checked & set(anywhere)) | (set(loop_only) - checked - _UNCHECKED):
        raise ValueError(f"docstrings of Conn and the checks of debug mode differ about {sorted(odd)}")
    rows = [("``Conn``", _listed("Conn", anywhere), _listed("Conn", loop_only))]
    rows += [("``EventLoop``", *(_listed("EventLoop", each) for each in sorted_members(netcore.EventLoop)))]
    rows += [(f"``{cls.__name__}``", _listed(cls.__name__, _members(cls)), "") for cls in _ANYWHERE]
    return list_table(("Class", "Any thread", "The loop's own thread"), rows, "14 46 40")


def sorted_members(cls: type) -> tuple[list[str], list[str]]:
    """Returns the members of a class for any thread, and those for the loop's only."""
    anywhere, loop_only = [], []
    for name in _members(cls):
        doc = inspect.getdoc(getattr(cls, name)) or ""
        (anywhere if _ANY.search(doc) else loop_only).append(name)
    return anywhere, loop_only


def _members(cls: type) -> list[str]:
    return [name for name, value in vars(cls).items() if not name.startswith("_") and _documented(value)]


def _documented(value: object) -> bool:
    return isinstance(value, property) or (callable(value) and bool(inspect.getdoc(value)))


def _listed(cls: str, names: list[str]) -> str:
    return ", ".join(f":py:obj:`{name} <{cls}.{name}>`" for name in names)


def setup(app: Sphinx) -> None:
    """Registers the directive."""
    app.add_directive("thread-table", rst_directive(describe))
