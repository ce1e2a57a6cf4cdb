"""``--version``."""

from __future__ import annotations

import argparse

from netcore._version import __version__
from netcore.cli.output import say

__all__ = ["VersionAction"]


class VersionAction(argparse.Action):
    """Says the version, and ends the process."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Does so."""
        say(f"netcore {__version__}")
        parser.exit()
