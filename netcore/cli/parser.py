"""The commands of the command line."""

from __future__ import annotations

import argparse

from netcore.cli.arguments import Parser
from netcore.cli.completion import add_completion
from netcore.cli.run_parser import add_run
from netcore.cli.top import add_top
from netcore.cli.version import VersionAction

__all__ = ["make_parser"]


def make_parser() -> Parser:
    """Makes the parser; what it parses has ``command``, the function that takes it from there."""
    parser = Parser(prog="netcore", description="Event-driven networking on the kernel's own readiness API.")
    parser.add_argument("--version", action=VersionAction, nargs=0, help="show netcore's version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_run(commands.add_parser("run", help="serve a handler until SIGINT or SIGTERM"))
    about = "what this machine offers; exit status 1 if something that should work does not"
    examine = commands.add_parser("doctor", help=about, description=f"Shows {about}.")
    examine.set_defaults(command=_doctor)
    examine.add_argument(
        "--platforms",
        action="store_true",
        help="only the table of what each platform does, in Markdown",
    )
    add_top(commands)
    add_completion(commands, parser)
    return parser


def _doctor(arguments: argparse.Namespace) -> int:
    from netcore.cli.doctor import doctor  # which takes memory that a process for years is not to have

    return doctor(arguments)
