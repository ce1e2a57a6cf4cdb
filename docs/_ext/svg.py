"""A few shapes of SVG; their colours are the theme's, by the classes in _static/netcore.css."""

from __future__ import annotations

from html import escape

_HEAD = (
    '<defs><marker id="{id}-head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
    ' orient="auto"><path class="head" d="M0 0L8 4L0 8z"/></marker></defs>'
)


class Drawing:
    """Collects shapes and writes them down.

    Args:
        name: Identifies the drawing within its page.
        title: What it shows, for who cannot see it.
        width: In units of a pixel.
        height: In units of a pixel.
    """

    def __init__(self, name: str, title: str, width: int, height: int) -> None:
        self.name = name
        self._parts = [
            f'<svg class="diagram" role="img" aria-label="{escape(title)}" viewBox="0 0 {width} {height}"'
            f' width="{width}" height="{height}" xmlns="http://www.w3.org/2000/svg">',
            _HEAD.format(id=name),
        ]

    def box(self, x: float, y: float, width: float, height: float, *lines: str, kind: str = "") -> None:
        """Draws a rectangle with a name in it, and below that smaller lines."""
        self._parts.append(
            f'<rect class="{kind}" x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" rx="5"/>'
        )
        top = y + height / 2 - (len(lines) - 1) * 8 + 4.5
        for number, line in enumerate(lines):
            self.text(x + width / 2, top + number * 16, line, quiet=number > 0)

    def text(self, x: float, y: float, text: str, quiet: bool = False, anchor: str = "middle") -> None:
        """Writes a line; `y` is its foot."""
        kind = ' class="quiet"' if quiet else ""
        self._parts.append(
            f'<text{kind} x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'
        )

    def label(self, x: float, y: float, text: str) -> None:
        """Writes a short line on a patch of the page's own colour, so that what is below does not disturb."""
        width = 7 * len(text) + 6
        place = f'x="{x - width / 2:.0f}" y="{y - 8:.0f}" width="{width}" height="16"'
        self._parts.append(f'<rect class="patch" {place}/>')
        self.text(x, y + 4.5, text)

    def path(self, data: str, arrow: bool = True, kind: str = "line") -> None:
        """Draws a path, with a head at its end."""
        head = f' marker-end="url(#{self.name}-head)"' if arrow else ""
        self._parts.append(f'<path class="{kind}" d="{data}"{head}/>')

    def __str__(self) -> str:
        return "\n".join([*self._parts, "</svg>"])
