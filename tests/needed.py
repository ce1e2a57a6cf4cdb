"""What tests drive that is others'.

Without it they are skipped, or fail where NETCORE_ECOSYSTEM is ``require``.
"""

from __future__ import annotations

import importlib
import os
import shutil
from types import ModuleType
from typing import NoReturn

import pytest

_REQUIRED = os.environ.get("NETCORE_ECOSYSTEM") == "require"


def library(name: str) -> ModuleType:
    """Imports a module that is somebody else's; for the head of a file of tests."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if _REQUIRED:
            raise
        pytest.skip(f"{error}", allow_module_level=True)


def program(name: str, *folders: str) -> str:
    """Finds an installed program, on PATH or in one of these folders."""
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *folders]))
    if path is None:
        without(f"{name} is not installed")
    return path


def without(missing: str) -> NoReturn:
    """Skips the test, or fails it, for what is missing."""
    if _REQUIRED:
        pytest.fail(missing)
    pytest.skip(missing)
