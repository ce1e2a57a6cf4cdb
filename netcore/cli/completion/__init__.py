"""``netcore completion``: has a shell complete the command line.

The scripts say all that there is by themselves: they need nothing but the shell, and no Python starts.
"""

from netcore.cli.completion.command import add_completion

__all__ = ["add_completion"]
