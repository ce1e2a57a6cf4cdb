"""A logger that cannot fail: reporting a fault must not become a second one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from netcore._complaints import Complaints
from netcore._machine import current
from netcore.eventloop.log_room import await_room, unlock
from netcore.eventloop.log_writer import LogWriter

__all__ = ["GuardedLogger"]

_fallback = logging.Handler()


class GuardedLogger(logging.Logger):
    """Passes records on to another logger, and what its handlers or filters raise to standard error.

    The handlers of the standard library catch their own errors; those of an application need not, and one
    that raises would end the loop that complains, whatever it raises. Nor may one that blocks hold up who
    logs, as where standard error is a pipe that nobody empties: they run on a thread of their own, for which
    who logs waits half a second at most. Any thread.

    Args:
        target: The logger that decides what is logged, and where.
        clock: Seconds that never go back.

    Attributes:
        complaints: Those that go here; see ``netcore._complaints``.
    """

    def __init__(self, target: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(target.name, logging.NOTSET)
        self._target = target
        # One thread for all who log to the same end, so that their lines stay in order.
        self._writer: LogWriter = (
            target._writer if isinstance(target, GuardedLogger) else current().make(LogWriter)
        )
        self.complaints = Complaints(clock)

    def last(self, action: Callable[[], object]) -> None:
        """Does what raises nothing, such as closing a file, behind what was logged; it may come later."""
        self._writer.do(action)

    def end(self) -> None:
        """Has a handler that hangs not keep the process from ending; nothing is logged from here on."""
        if self._writer.working:
            unlock(self._target)

    def abandon(self) -> None:
        """Begins anew in a forked child, where the thread that writes does not exist."""
        self._writer.abandon()

    def isEnabledFor(self, level: int) -> bool:
        """See ``logging.Logger.isEnabledFor``."""
        try:
            return self._target.isEnabledFor(level)
        except Exception:
            return True

    def hasHandlers(self) -> bool:
        """See ``logging.Logger.hasHandlers``."""
        try:
            return self._target.hasHandlers()
        except Exception:
            return True

    def handle(self, record: logging.LogRecord) -> None:
        """See ``logging.Logger.handle``."""
        target = self._target
        if isinstance(target, GuardedLogger):
            target.handle(record)
        else:
            self._writer.do(partial(self._write, record))

    def _write(self, record: logging.LogRecord) -> None:
        try:
            await_room(self._target, record)
            self._target.handle(record)
            lost, self._writer.lost = self._writer.lost, 0
            if lost:
                self._target.error("%d lines of this log are lost: they could not be written in time", lost)
        except BaseException:  # there is nobody else on its thread to take a SystemExit
            with suppress(Exception):  # standard error may be closed, or somebody's object
                # It prints to standard error, unless logging.raiseExceptions is off.
                _fallback.handleError(record)

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
