"""The command line as its own parser describes it."""

from __future__ import annotations

import argparse
import re

from generated import rst_directive
from sphinx.application import Sphinx

from netcore.cli.parser import make_parser


def describe() -> str:
    """Writes the usage and the arguments of every command."""
    parser = make_parser()
    parts = [f"{parser.description}", "", *_arguments(parser)]
    for command, subparser in _commands(parser).items():
        parts += [f"netcore {command}", "-" * (8 + len(command)), "", str(subparser.description), ""]
        usage = subparser.format_usage().removeprefix("usage: ").splitlines()
        parts += [".. code-block:: text", "", *(f"   {line}" for line in usage), "", *_arguments(subparser)]
    return "\n".join(parts)


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _arguments(parser: argparse.ArgumentParser) -> list[str]:
    lines: list[str] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            continue
        metavar = action.metavar if isinstance(action.metavar, str) else ""
        names = [f"``{name}{' ' + metavar if metavar else ''}``" for name in action.option_strings]
        help_text = (action.help or "") % {"default": action.default, "prog": parser.prog}
        help_text = re.sub(r"\w+://[A-Z:]+", r"``\g<0>``", help_text)  # or it would be a link
        lines += [", ".join(names) or f"``{metavar}``", f"   {help_text}", ""]
    return lines


def setup(app: Sphinx) -> None:
    """Registers the directive."""
    app.add_directive("command-line", rst_directive(describe))
