"""The log file of an engine."""

from __future__ import annotations

import logging
import logging.handlers

from netcore.options import Options

__all__ = ["LogFile", "open_log"]

_MAX_SIZE = 10 << 20
_BACKUPS = 3
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class LogFile:
    """A logger of an engine's own that also writes to a file, rotated at 10 MiB, three old ones kept.

    Args:
        path: The file; its directory must exist.
        level: What is logged at all.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, path: str, level: int) -> None:
        self._handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=_MAX_SIZE, backupCount=_BACKUPS, encoding="utf-8"
        )
        self._handler.setFormatter(logging.Formatter(_FORMAT))
        # A child of "netcore" that is not registered by name, so that each engine has one of its own.
        self.logger = logging.Logger("netcore.file", level)
        self.logger.parent = logging.getLogger("netcore")
        self.logger.addHandler(self._handler)

    def close(self) -> None:
        """Closes the file."""
        self.logger.removeHandler(self._handler)
        self._handler.close()


def open_log(options: Options) -> tuple[logging.Logger, LogFile | None]:
    """Returns the logger that the options ask for, and its file if it has one of its own."""
    if options.log_path:
        log = LogFile(options.log_path, options.log_level)
        return log.logger, log
    return options.logger or logging.getLogger("netcore"), None
