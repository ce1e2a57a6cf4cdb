"""What needs a package that not everybody has installed, and the line that installs it."""

from __future__ import annotations

__all__ = ["missing"]


def missing(what: str, error: ImportError, extra: str) -> str:
    """Says that a package is missing, and how to get it. Any thread.

    Args:
        what: What cannot be had without; the sentence begins with it.
        error: What an import has raised, of the package or of a part of it.
        extra: The extra of netcore's distribution that brings the package.
    """
    package = str(error.name).partition(".")[0]
    return f"{what} needs the package {package}: pip install 'netcore-io[{extra}]'"
