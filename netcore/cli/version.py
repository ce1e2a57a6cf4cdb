"""netcore's version, as it was installed."""

from __future__ import annotations

from importlib import metadata

__all__ = ["version"]


def version() -> str:
    """Returns the version, or "(not installed)" in a source tree that nobody has installed."""
    try:
        return metadata.version("netcore")
    except metadata.PackageNotFoundError:
        return "(not installed)"
