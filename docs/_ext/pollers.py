"""The pollers that there are, as their own classes describe themselves."""

from __future__ import annotations

import inspect

from generated import list_table, rst_directive
from sphinx.application import Sphinx

from netcore import poll


def describe() -> str:
    """Writes the table, in the order of preference."""
    classes = {cls.name: cls for name in poll.__all__ if _is_poller(cls := getattr(poll, name))}
    rows = []
    for name in poll.poller_names():
        cls = classes.get(name)
        if cls is not None:
            about = (inspect.getdoc(cls) or "").partition("\n\n")[0]
            rows.append((f"``{name}``", "yes" if cls.supports_edge else "no", f"``{cls.__name__}``", about))
    return list_table(("Name", "Edges", "Class", "What it is"), rows, "12 8 22 58")


def _is_poller(value: object) -> bool:
    return inspect.isclass(value) and isinstance(getattr(value, "name", None), str)


def setup(app: Sphinx) -> None:
    """Registers the directive."""
    app.add_directive("poller-table", rst_directive(describe))
