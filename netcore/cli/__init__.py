"""The command line: ``netcore``, which is also ``python -m netcore``."""

from netcore.cli.entry import main

__all__ = ["main"]
