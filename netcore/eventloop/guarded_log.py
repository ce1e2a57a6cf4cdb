"""A logger that cannot fail: reporting a fault must not become a second one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from netcore._complaints import Complaints

__all__ = ["GuardedLogger"]

_fallback = logging.Handler()


class GuardedLogger(logging.Logger):
    """Passes records on to another logger, and what its handlers or filters raise to standard error.

    The handlers of the standard library catch their own errors; those of an application need not, and one
    that raises would end the loop that complains, whatever it raises: on a thread of netcore's nobody else is
    there to take a SystemExit. A handler that blocks does block who logs. Any thread.

    Args:
        target: The logger that decides what is logged, and where.
        clock: Seconds that never go back.

    Attributes:
        complaints: Those that go here; see ``netcore._complaints``.
    """

    def __init__(self, target: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(target.name, logging.NOTSET)
        self._target = target
        self.complaints = Complaints(clock)

    def isEnabledFor(self, level: int) -> bool:
        """See ``logging.Logger.isEnabledFor``."""
        try:
            return self._target.isEnabledFor(level)
        except Exception:
            return True

    def handle(self, record: logging.LogRecord) -> None:
        """See ``logging.Logger.handle``."""
        try:
            self._target.handle(record)
        except BaseException as error:
            if not isinstance(error, Exception) and threading.current_thread() is threading.main_thread():
                raise  # a KeyboardInterrupt, which is not the handler's
            with suppress(Exception):  # standard error may be closed, or somebody's object
                _fallback.handleError(
                    record
                )  # prints to standard error, unless logging.raiseExceptions is off

    def _log(
        self,
        level: int,
        msg: object,
        args: tuple[object, ...] | Mapping[str, object],
        exc_info: object = None,
        extra: Mapping[str, object] | None = None,
        stack_info: bool = False,
        stacklevel: int = 1,
    ) -> None:
        """Makes a record and handles it; what makes records may be the application's, too."""
        try:
            super()._log(level, msg, args, exc_info, extra, stack_info, stacklevel + 1)  # type: ignore[arg-type]
        except Exception:
            with suppress(Exception):
                _fallback.handleError(logging.LogRecord(self.name, level, __file__, 0, msg, None, None))
