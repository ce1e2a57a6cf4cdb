"""What the parser knows, as shells want it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass

from netcore.cli.arguments import Parser

__all__ = ["Command", "Flag", "describe"]

FILE = "FILE"


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag.

    Attributes:
        name: With its dashes.
        help: What it does, in short.
        metavar: What its value is; empty if it has none.
        words: What the value may be, as far as it can be said.
    """

    name: str
    help: str
    metavar: str
    words: tuple[str, ...]

    @property
    def is_file(self) -> bool:
        """Whether its value is a path."""
        return self.metavar == FILE


@dataclass(frozen=True, slots=True)
class Command:
    """A command.

    Attributes:
        name: Its name; empty for the program itself, before there is a command.
        help: What it does, in short.
        flags: Its flags.
        words: What else its arguments may be.
    """

    name: str
    help: str
    flags: tuple[Flag, ...]
    words: tuple[str, ...]


def describe(parser: Parser) -> tuple[Command, ...]:
    """Describes a program: itself first, then each command."""
    found = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            abouts = {choice.dest: choice.help or "" for choice in action._choices_actions}
            found = [_command(each, abouts[name], name) for name, each in action.choices.items()]
    itself = _command(parser, "", "")
    return (Command("", "", itself.flags, tuple(command.name for command in found)), *found)


def _command(parser: Parser, about: str, name: str) -> Command:
    positional = [
        str(choice)
        for action in parser._actions
        if not action.option_strings and not isinstance(action, argparse._SubParsersAction)
        for choice in action.choices or ()
    ]
    flags = tuple(flag for action in parser._actions for flag in _flags(parser, action))
    return Command(name, about, flags, tuple(positional))


def _flags(parser: Parser, action: argparse.Action) -> Iterator[Flag]:
    """Yields a flag under each of its names, but for those that help does not show either."""
    if action.help == argparse.SUPPRESS:
        return
    about = re.sub(r"(;| \(default:| \[NETCORE_).*", "", action.help or "").replace("%%", "%")
    takes = action.nargs != 0
    metavar = str(action.metavar or action.dest.upper()) if takes else ""
    words = parser.words.get(action.dest) or tuple(map(str, action.choices or ()))
    for name in action.option_strings:
        if name.startswith("--"):
            negated = name.startswith("--no-")
            yield Flag(name, f"not: {about}" if negated else about, metavar, words if takes else ())
