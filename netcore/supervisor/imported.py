"""The files of an application: what was imported, but for what was installed."""

from __future__ import annotations

import os
import sys
import sysconfig
from functools import cache

__all__ = ["imported_files"]

_PACKAGE = os.path.dirname(os.path.dirname(__file__))
_INSTALLED = ("site-packages", "dist-packages")
"""The folders of installed packages, wherever they are: of Python, of a user, and of Debian."""


@cache
def _pythons() -> tuple[str, ...]:
    folders = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), _PACKAGE)
    return tuple(os.path.join(folder, "") for folder in folders)


def imported_files() -> list[str]:
    """Returns the files of the modules that are imported, without Python's, installed ones and netcore's."""
    found = set()
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and _is_applications(path):
            found.add(path)
    return sorted(found)


def _is_applications(path: str) -> bool:
    if path.startswith(("<", *_pythons())):
        return False
    return not any(f"{os.sep}{folder}{os.sep}" in path for folder in _INSTALLED)
