"""A logger that cannot fail: reporting a fault must not become a second one."""

from __future__ import annotations

import logging

__all__ = ["GuardedLogger"]

_fallback = logging.Handler()


class GuardedLogger(logging.Logger):
    """Passes records on to another logger, and what its handlers or filters raise to standard error.

    The handlers of the standard library catch their own errors; those of an application need not, and one
    that raises would end the loop that complains. Any thread.

    Args:
        target: The logger that decides what is logged, and where.
    """

    def __init__(self, target: logging.Logger) -> None:
        super().__init__(target.name, logging.NOTSET)
        self._target = target

    def isEnabledFor(self, level: int) -> bool:
        """See ``logging.Logger.isEnabledFor``."""
        return self._target.isEnabledFor(level)

    def handle(self, record: logging.LogRecord) -> None:
        """See ``logging.Logger.handle``."""
        try:
            self._target.handle(record)
        except Exception:
            _fallback.handleError(record)  # prints to standard error, unless logging.raiseExceptions is off
