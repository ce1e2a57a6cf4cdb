"""The Sphinx extension of this site: what it generates from the code, and its links to the reference."""

from __future__ import annotations

from typing import Any

import attack_table
import breaks
import changes
import command_line
import docstrings
import example_table
import layers
import option_table
import platform_table
import pollers
import reference
import states
import test_table
import threads
import trace_page
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx


def to_the_method(app: Sphinx, page: str, source: list[str]) -> None:
    """Leads the generated page of figures to the method within this site instead of within the repository."""
    if page == "benchmarks/README":
        source[0] = (
            source[0]
            .replace("(../../bench/README.md)", "(method.md)")
            .replace("[bench/README.md]", "[the method]")
        )


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    for module in (
        attack_table,
        breaks,
        changes,
        command_line,
        docstrings,
        example_table,
        layers,
        option_table,
        platform_table,
        pollers,
        reference,
        states,
        test_table,
        threads,
        trace_page,
    ):
        module.setup(app)
    app.add_lexer("haproxy", TextLexer)
    app.connect("source-read", to_the_method)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
