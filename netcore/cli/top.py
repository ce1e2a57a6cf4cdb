"""``netcore top``: what an admin server shows, as a table in a terminal."""

from __future__ import annotations

import argparse
from typing import Any

from netcore._extras import missing
from netcore.cli.usage import UsageError

__all__ = ["SORTS", "add_top"]

SORTS = (
    "process",
    "loop",
    "state",
    "connections",
    "messages",
    "received",
    "sent",
    "turn",
    "slow-turn",
    "busy",
    "stuck",
    "errors",
    "age",
)
_LEAST_INTERVAL = 0.1


def add_top(commands: Any) -> None:
    """Adds the command to what ``ArgumentParser.add_subparsers`` has returned."""
    about = "what an admin server shows, in a terminal"
    parser = commands.add_parser("top", help=about, description=f"Shows {about}, per process and loop.")
    parser.set_defaults(command=top)
    parser.add_argument(
        "address",
        metavar="ADDRESS",
        help="of an admin server: tcp://HOST:PORT, unix://PATH or http://HOST:PORT",
    )
    parser.add_argument(
        "--sort",
        choices=SORTS,
        default="process",
        metavar="COLUMN",
        help=f"one of {', '.join(SORTS)} (default: %(default)s)",
    )
    parser.add_argument("--reverse", action="store_true", help="sort the other way round")
    parser.add_argument(
        "--interval",
        type=_interval,
        default=1.0,
        metavar="S",
        help="seconds between two looks, of which rates are made (default: 1)",
    )
    parser.add_argument("--once", action="store_true", help="print one table, after one interval, and end")


def top(arguments: argparse.Namespace) -> int:
    """Shows the table; see ``netcore.cli.watching.watch``.

    Raises:
        UsageError: A package is missing, or the address is none.
    """
    try:
        from netcore.cli.watching import watch
    except ImportError as error:
        raise UsageError(missing("top", error, "admin")) from None
    given = arguments
    return watch(given.address, given.sort.replace("-", "_"), given.reverse, given.interval, given.once)


def _interval(text: str) -> float:
    """Reads a number of seconds that makes sense; an argparse type."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not _LEAST_INTERVAL <= value < 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from {_LEAST_INTERVAL} up")
    return value
