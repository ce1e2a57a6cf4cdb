"""The layer diagram, drawn from the imports that the code really has."""

from __future__ import annotations

import sys
from pathlib import Path

import grimp
from generated import svg_directive
from sphinx.application import Sphinx
from svg import Drawing

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PROJECT = Path(__file__).parents[2] / "pyproject.toml"
_WIDTH, _ROW, _BOX = 760, 74, 34


def layers() -> list[list[str]]:
    """Returns the packages of each layer, highest first, as the import contract has them."""
    contracts = tomllib.loads(_PROJECT.read_text())["tool"]["importlinter"]["contracts"]
    rows = [line.replace(":", "|").split("|") for line in contracts[0]["layers"]]
    return [[name.strip(" ()") for name in row] for row in rows]


def imports(rows: list[list[str]]) -> set[tuple[str, str]]:
    """Returns which package imports which, imports for type checkers left out."""
    graph = grimp.build_graph("netcore", exclude_type_checking_imports=True)
    known = {name for row in rows for name in row}
    found = set()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            pair = (_package(module), _package(imported))
            if pair[0] != pair[1] and known.issuperset(pair):
                found.add(pair)
    return found


def essential(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Leaves out each edge that a longer way replaces, so that the picture can be read."""
    above: dict[str, set[str]] = {}
    for start, end in edges:
        above.setdefault(start, set()).add(end)

    def reaches(start: str, end: str, seen: set[str]) -> bool:
        for step in above.get(start, set()) - seen:
            seen.add(step)
            if step == end or reaches(step, end, seen):
                return True
        return False

    def indirect(start: str, end: str) -> bool:
        return any(reaches(step, end, set()) for step in above[start] if step != end)

    return {edge for edge in edges if not indirect(*edge)}


def draw() -> str:
    """Draws the layers as rows of boxes, with an arrow for each import that no chain of others implies."""
    rows = layers()
    drawing = Drawing("layers", "The packages of netcore and their imports", _WIDTH, _ROW * len(rows))
    places: dict[str, tuple[float, float, float]] = {}
    for row, names in enumerate(rows):
        width = min(130.0, (_WIDTH - 14 * (len(names) + 1)) / len(names))
        gap = (_WIDTH - width * len(names)) / (len(names) + 1)
        for column, name in enumerate(names):
            places[name] = (gap + column * (width + gap), row * _ROW + 12, width)
    for start, end in sorted(essential(imports(rows))):
        (x1, y1, w1), (x2, y2, w2) = places[start], places[end]
        x1, x2, y1 = x1 + w1 / 2, x2 + w2 / 2, y1 + _BOX
        bend = (y2 - y1) / 2
        drawing.path(
            f"M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"
        )
    for name, (x, y, width) in places.items():
        drawing.box(x, y, width, _BOX, name)
    return str(drawing)


def _package(module: str) -> str:
    return module.partition(".")[2].partition(".")[0]


def setup(app: Sphinx) -> None:
    """Registers the directive."""
    app.add_directive("layer-diagram", svg_directive(draw))
