"""The log file of an engine."""

from __future__ import annotations

import logging
import logging.handlers
import sys
from contextlib import suppress

from netcore.options import Options

__all__ = ["LogFile", "open_log"]

_MAX_SIZE = 10 << 20
_BACKUPS = 3
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class LogFile:
    """A logger of an engine's own that also writes to a file, rotated at 10 MiB, three old ones kept.

    Args:
        path: The file; its directory must exist. It is tried at once, and kept open from ``open`` to
        ``close``. level: What is logged at all.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, path: str, level: int) -> None:
        with open(path, "a", encoding="utf-8"):  # now, while the caller can still do something about it
            pass
        self._path = path
        self._handler: _Rotating | None = None
        # A child of "netcore" that is not registered by name, so that each engine has one of its own.
        self.logger = logging.Logger("netcore.file", level)
        self.logger.parent = logging.getLogger("netcore")

    def open(self) -> None:
        """Opens the file, to which the logger writes from now on.

        Raises:
            OSError: It cannot be opened any more.
        """
        self._handler = _Rotating(self._path, maxBytes=_MAX_SIZE, backupCount=_BACKUPS, encoding="utf-8")
        self._handler.setFormatter(logging.Formatter(_FORMAT))
        self.logger.addHandler(self._handler)

    def close(self) -> None:
        """Closes the file; never raises, although what the disk does not take is lost."""
        handler, self._handler = self._handler, None
        if handler is not None:
            self.logger.removeHandler(handler)
            try:
                handler.close()
            except Exception as error:  # OSError of a full disk: the rest is written at the close
                handler.tell(error)


class _Rotating(logging.handlers.RotatingFileHandler):
    """Tells on standard error, once, that it cannot write, and goes on trying."""

    _told = False

    def handleError(self, record: logging.LogRecord) -> None:
        """See ``logging.Handler.handleError``, which would print a traceback for each record."""
        self.tell(sys.exc_info()[1])

    def tell(self, error: BaseException | None) -> None:
        """Says what the trouble is, the first time."""
        if not self._told and sys.stderr is not None:
            self._told = True
            with suppress(Exception):
                print(f"netcore cannot write its log to {self.baseFilename}: {error!r}", file=sys.stderr)


def open_log(options: Options) -> tuple[logging.Logger, LogFile | None]:
    """Returns the logger that the options ask for, and its file if it has one of its own, still closed."""
    if options.log_path:
        log = LogFile(options.log_path, options.log_level)
        return log.logger, log
    return options.logger or logging.getLogger("netcore"), None
