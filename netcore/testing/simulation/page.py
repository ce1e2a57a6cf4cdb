"""A trace as a page: one file that needs nothing else, and asks nobody for anything."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from html import escape
from importlib.resources import files

from netcore._pages import own_sources
from netcore.testing.simulation.event import FAULTS, KINDS, Event

__all__ = ["page"]

_SCRIPTS = ("model.js", "axis.js", "view.js", "drawing.js", "marks.js", "panels.js", "controls.js")
_TEXTS = ("kind", "host", "peer", "flow", "detail")
_NUMBERS = ("time", "size", "cause")


def page(events: Iterable[Event], *, seed: object, digest: str, count: int, left_off: int) -> str:
    """Writes the page; the same events give the same page.

    Args:
        events: Those to show.
        seed: The world's; None if it is not known.
        digest: The trace's.
        count: How many events there have been.
        left_off: How many of them, the first ones, are not among those to show.

    Returns:
        HTML, to be written in UTF-8.
    """
    shown = list(events)
    strings: dict[str, int] = {"": 0}
    columns: dict[str, list[float]] = {name: [getattr(each, name) for each in shown] for name in _NUMBERS}
    for name in _TEXTS:
        columns[name] = [strings.setdefault(getattr(each, name), len(strings)) for each in shown]
    data = {
        "seed": None if seed is None else ascii(seed),
        "digest": digest,
        "count": count,
        "left_off": left_off,
        "kinds": KINDS,
        "faults": sorted(FAULTS),
        "strings": list(strings),
        **columns,
    }
    # No other character can end a script element, or begin a comment in it.
    told = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    title = "Simulated world" if seed is None else f"Simulated world, seed {seed!a}"
    before, between, after = _template()
    return before + escape(title) + between + told + after


@cache
def _template() -> tuple[str, str, str]:
    """Returns what stands before the title, between it and the data, and after that."""
    folder = files("netcore.testing.simulation").joinpath("assets")
    script = '"use strict";\n' + "\n".join(folder.joinpath(name).read_text("utf-8") for name in _SCRIPTS)
    text = folder.joinpath("page.html").read_text("utf-8")
    for name, content in (("style", folder.joinpath("page.css").read_text("utf-8")), ("script", script)):
        text = text.replace(f"@{name}@", content, 1)
    policy = f"default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; {own_sources(text)}"
    before, _, rest = text.replace("@policy@", policy, 1).partition("@title@")
    between, _, after = rest.partition("@data@")
    return before, between, after
