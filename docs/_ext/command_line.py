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
        parts += [f"netcore {command}", "-" * (8 + len(command)), "", _marked(str(subparser.description)), ""]
        usage = subparser.format_usage().removeprefix("usage: ").splitlines()
        parts += [".. code-block:: text", "", *(f"   {line}" for line in usage), ""]
        for number, group in enumerate(subparser._action_groups):
            if number > 1 and group._group_actions:  # the first two are argparse's own: what has no group
                title = str(group.title)
                parts += [title[:1].upper() + title[1:], "~" * len(title), ""]
            parts += _arguments(group)
    return "\n".join(parts)


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _arguments(group: argparse._ActionsContainer) -> list[str]:
    lines: list[str] = []
    # A group has those of the whole parser as _actions.
    for action in getattr(group, "_group_actions", group._actions):
        if isinstance(action, argparse._SubParsersAction) or action.help == argparse.SUPPRESS:
            continue
        metavar = action.metavar if isinstance(action.metavar, str) else ""
        names = [f"``{name}{' ' + metavar if metavar else ''}``" for name in action.option_strings]
        help_text = (action.help or "") % {"default": action.default, "prog": "netcore"}
        lines += [", ".join(names) or f"``{metavar}``", f"   {_marked(help_text)}", ""]
    return lines


def _marked(text: str) -> str:
    """Marks up what is code: variables, flags, whose dashes would become one, and addresses, else links."""
    text = re.sub(r"\[(NETCORE_\w+)\]$", r"(``\1``)", text)
    return re.sub(r"(?<!\S)--[a-z-]+\b|\w+://[A-Z:]+", r"``\g<0>``", text)


def setup(app: Sphinx) -> None:
    """Registers the directive."""
    app.add_directive("command-line", rst_directive(describe))
