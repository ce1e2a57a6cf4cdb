"""From the arguments to the exit status."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

from netcore._loading import LoadError
from netcore.cli.output import BROKEN_PIPE, OutputError, flush, flush_errors
from netcore.cli.parser import make_parser
from netcore.cli.usage import UsageError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: Without the program's name; those of the process if None.

    Returns:
        The exit status: 0 for success, 1 if ``doctor`` found a fault or there is no room for the output, 2
        if an argument is wrong, 141 without a word if nobody reads the output any more.

    Raises:
        SystemExit: For ``--help`` and ``--version``, and with status 2 for arguments that do not parse.
    """
    try:
        try:
            return _run(arguments)
        finally:
            flush()
    except OutputError as error:
        if error.unread:
            return BROKEN_PIPE
        _report(error)
        return 1
    finally:
        flush_errors()


def _run(arguments: Sequence[str] | None) -> int:
    parsed = make_parser().parse_args(arguments)
    command = cast("Callable[[object], int]", parsed.command)
    try:
        return command(parsed)
    except (UsageError, LoadError) as error:
        _report(error)
        return 2


def _report(error: Exception) -> None:
    """Says on standard error what is wrong; if that cannot be written the status is all there is."""
    with suppress(OSError):
        if isinstance(error, LoadError) and error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        print(f"netcore: {error}", file=sys.stderr, flush=True)
