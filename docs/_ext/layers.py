"""The layer diagram, drawn from the imports that the code really has."""

from __future__ import annotations

import sys
from collections.abc import Iterator
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
    """Returns which package imports which, be it for type checkers only."""
    graph = grimp.build_graph("netcore")
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
    places = {name: place for row, names in enumerate(rows) for name, place in _row(row, names)}
    taken: dict[tuple[str, int], int] = {}
    for start, end in sorted(essential(imports(rows)), key=lambda edge: (places[edge[1]], places[edge[0]])):
        (x1, y1, w1), (x2, y2, w2) = places[start], places[end]
        # Arrows leave and arrive side by side, not all at the middle.
        leave, arrive = taken.get((start, 0), 0), taken.get((end, 1), 0)
        taken[start, 0], taken[end, 1] = leave + 1, arrive + 1
        x1, x2 = x1 + w1 * _share(leave), x2 + w2 * _share(arrive)
        y1, half = y1 + _BOX, (y1 + _BOX + y2) / 2
        drawing.path(f"M{x1:.0f} {y1:.0f}C{x1:.0f} {half:.0f} {x2:.0f} {half:.0f} {x2:.0f} {y2:.0f}")
    for name, (x, y, width) in places.items():
        drawing.box(x, y, width, _BOX, name)
    return str(drawing)


def _row(row: int, names: list[str]) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """Gives each package of a row its place: left edge, upper edge and width."""
    width = min(130.0, (_WIDTH - 14 * (len(names) + 1)) / len(names))
    gap = (_WIDTH - width * len(names)) / (len(names) + 1)
    # A row with one package stands aside by turns, so that arrows that pass it by stay in sight.
    aside = (-1) ** row * 110 if len(names) == 1 else 0
    for column, name in enumerate(names):
        yield name, (gap + column * (width + gap) + aside, row * _ROW + 12, width)


def _share(number: int) -> float:
    """Spreads arrows over the edge of a box: the middle, then right and left of it."""
    return 0.5 + (number + 1) // 2 * (0.14 if number % 2 else -0.14)


def _package(module: str) -> str:
    return module.partition(".")[2].partition(".")[0]


def setup(app: Sphinx) -> None:
    """Registers the directive."""
    app.add_directive("layer-diagram", svg_directive(draw))
