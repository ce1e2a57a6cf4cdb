"""Starting the modules of this package as programs, in processes that use the netcore that is installed."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]

# The checkout comes last on the path: `python -m` in it would prefer its netcore, which may not be built.
_MAIN = """
import importlib, sys
sys.path.remove("")
sys.path.append(sys.argv.pop(1))
importlib.import_module(sys.argv.pop(1)).main()
"""


def program(module: str, *arguments: str) -> list[str]:
    """Returns the command line of a module that has a `main`; it must not be run in the root itself."""
    return [sys.executable, "-c", _MAIN, str(_ROOT), module, *arguments]
