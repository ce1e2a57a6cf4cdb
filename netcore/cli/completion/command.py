"""The command that prints the script of a shell."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from netcore.cli.arguments import Parser
from netcore.cli.completion.bash import write_bash
from netcore.cli.completion.described import describe
from netcore.cli.completion.fish import write_fish
from netcore.cli.completion.zsh import write_zsh
from netcore.cli.output import say

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[Parser]

__all__ = ["add_completion"]

_SHELLS = {"bash": write_bash, "fish": write_fish, "zsh": write_zsh}


def add_completion(commands: Commands, program: Parser) -> None:
    """Adds the command.

    Args:
        commands: To these.
        program: What the scripts are for.
    """
    parser = commands.add_parser(
        "completion",
        help="a script that has a shell complete this command line",
        description="Prints a script that has a shell complete this command line: its flags, the words that "
        "they take, and files. The first lines say where to put it.",
    )
    parser.add_argument("shell", metavar="SHELL", choices=tuple(_SHELLS), help=f"one of {', '.join(_SHELLS)}")
    parser.set_defaults(command=partial(_print, program))


def _print(program: Parser, arguments: argparse.Namespace) -> int:
    """Prints the script; returns the exit status 0."""
    say(_SHELLS[arguments.shell](describe(program)), end="")
    return 0
