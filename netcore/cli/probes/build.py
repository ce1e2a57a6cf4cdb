"""What was installed, and on what."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Iterator

from netcore._native import MISSING
from netcore.cli.findings import Finding, fail, missing, ok
from netcore.cli.version import version

__all__ = ["probe_build"]


def probe_build() -> Iterator[Finding]:
    """Reports versions, and whether the native part is there and loads."""
    yield ok("netcore", version())
    yield ok("python", f"{platform.python_implementation()} {platform.python_version()}")
    yield ok("platform", platform.platform())
    if not MISSING:
        yield ok("native part", "compiled")
    elif importlib.util.find_spec("netcore._native._netcore") is None:
        yield missing("native part", MISSING)
    else:
        yield fail("native part", f"it is installed but does not load: {MISSING}")
