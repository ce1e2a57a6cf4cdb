"""From the arguments to the exit status."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from typing import cast

from netcore.cli.parser import make_parser
from netcore.cli.usage import UsageError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: Without the program's name; those of the process if None.

    Returns:
        The exit status: 0 for success, 1 if ``doctor`` found a fault, 2 if an argument is wrong.

    Raises:
        SystemExit: For ``--help`` and ``--version``, and with status 2 for arguments that do not parse.
    """
    parsed = make_parser().parse_args(arguments)
    command = cast("Callable[[object], int]", parsed.command)
    try:
        return command(parsed)
    except UsageError as error:
        if error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        print(f"netcore: {error}", file=sys.stderr)
        return 2
