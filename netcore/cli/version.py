"""netcore's version, as it was installed."""

from __future__ import annotations

import argparse

from netcore.cli.output import say

__all__ = ["VersionAction", "version"]


def version() -> str:
    """Returns the version, or "(not installed)" in a source tree that nobody has installed."""
    from importlib import metadata  # which takes its time, and memory

    try:
        return metadata.version("netcore")
    except metadata.PackageNotFoundError:
        return "(not installed)"


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
        say(f"netcore {version()}")
        parser.exit()
