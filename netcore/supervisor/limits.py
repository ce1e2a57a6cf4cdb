"""How many descriptors there may be."""

from __future__ import annotations

import logging
import sys

from netcore.supervisor._posix import limits

__all__ = ["raise_open_files"]

_MOST = 10240
"""OPEN_MAX of macOS, beyond which setrlimit(2) refuses there, whatever the hard limit."""


def raise_open_files(logger: logging.Logger) -> None:
    """Raises RLIMIT_NOFILE to the hard limit, and says so; processes inherit it. See getrlimit(2)."""
    try:
        resource = limits()
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if sys.platform != "darwin" else min(hard & sys.maxsize, _MOST)
    if soft == wanted or (soft > wanted and wanted != resource.RLIM_INFINITY):
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        logger.warning("the limit of open files stays %d (RLIMIT_NOFILE): %s", soft, error)
    else:
        logger.info("the limit of open files is raised from %d to %d (RLIMIT_NOFILE)", soft, wanted)
