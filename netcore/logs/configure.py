"""Setting the log of a process up."""

from __future__ import annotations

import logging
import sys
from typing import Final

from netcore.logs.formats import JsonFormatter, TextFormatter

__all__ = ["FORMATS", "configure"]

FORMATS: Final = ("text", "json")
"""What a log may look like."""


def configure(level: int | str, format: str, process: int | None = None) -> None:
    """Has everything of some level and above logged to standard error, unless the root logger has a handler.

    Args:
        level: A number, or a name such as ``"info"``.
        format: ``"text"``, as ``TextFormatter`` does it, or ``"json"``, as ``JsonFormatter`` does.
        process: The number of this process under a supervisor; None without one.

    Raises:
        ValueError: The level or the format is unknown.
    """
    if format not in FORMATS:
        raise ValueError(f"{format!r} is no format of a log: it is one of {', '.join(FORMATS)}")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(process) if format == "json" else TextFormatter(process))
    logging.basicConfig(level=level.upper() if isinstance(level, str) else level, handlers=[handler])
