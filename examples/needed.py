"""A sentence for who has not installed what an example needs, instead of a traceback."""

from __future__ import annotations

import sys
from types import TracebackType

__all__ = ["needed"]

_OURS = ("examples", "netcore")


class needed:
    """Stands around imports: ``with needed("netcore-io[redis]"):``.

    Args:
        requirement: What is to be installed if one of the imports finds nothing.

    Raises:
        SystemExit: A package is missing, also when it is not the program that runs that imports the example.
    """

    def __init__(self, requirement: str) -> None:
        self._requirement = requirement

    def __enter__(self) -> None:
        """Does nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends the program if a package is missing."""
        if isinstance(error, ModuleNotFoundError):
            package = str(error.name).partition(".")[0]
            if package not in _OURS:
                sys.exit(f"this example needs the package {package}: pip install '{self._requirement}'")
