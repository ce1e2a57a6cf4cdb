"""What the directives of this site share: content that is computed, as reStructuredText or as SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective


def rst_directive(make: Callable[..., str], arguments: int = 0) -> type[SphinxDirective]:
    """Makes a directive whose content is the text that a function returns for its arguments."""

    class Generated(SphinxDirective):
        required_arguments = arguments
        optional_arguments = 0

        def run(self) -> list[nodes.Node]:
            text = make(*self.arguments)
            lines = StringList(text.splitlines(), source=f"<{make.__module__}.{make.__name__}>")
            container = nodes.Element()
            self.state.nested_parse(lines, self.content_offset, container, match_titles=True)
            return container.children

    return Generated


def svg_directive(make: Callable[[], str]) -> type[SphinxDirective]:
    """Makes a directive that puts the SVG a function returns into the page."""

    class Drawn(SphinxDirective):
        def run(self) -> list[nodes.Node]:
            return [nodes.raw("", make(), format="html")]

    return Drawn


def list_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], widths: str = "auto", kind: str = ""
) -> str:
    """Returns a table in reStructuredText; the cells are reStructuredText of one paragraph."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}"]
    lines += [f"   :class: {kind}", ""] if kind else [""]
    for row in (header, *rows):
        for number, cell in enumerate(row):
            lines.append(f"   {'* -' if number == 0 else '  -'} {' '.join(cell.split())}")
    return "\n".join([*lines, ""])
