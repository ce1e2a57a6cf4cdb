"""The files of an application: what was imported, but for what was installed."""

from __future__ import annotations

import sys
import sysconfig
from functools import cache
from pathlib import Path

__all__ = ["imported_files"]

_PACKAGE = str(Path(__file__).resolve().parents[1])


@cache
def _installed() -> tuple[str, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return (*(sysconfig.get_path(name) for name in names), _PACKAGE, "<")


def imported_files() -> list[str]:
    """Returns the files of the modules that are imported, without Python's, installed ones and netcore's."""
    found = set()
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and not path.startswith(_installed()):
            found.add(path)
    return sorted(found)
