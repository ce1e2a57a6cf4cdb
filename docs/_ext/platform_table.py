"""What each platform does, from the table that netcore acts by."""

from __future__ import annotations

from generated import list_table, rst_directive
from sphinx.application import Sphinx

from netcore._platforms import PLATFORMS
from netcore.cli.platforms import HEADER, row


def describe() -> str:
    """Writes the table."""
    return list_table(HEADER, map(row, PLATFORMS))


def setup(app: Sphinx) -> None:
    """Registers the directive."""
    app.add_directive("platform-table", rst_directive(describe))
