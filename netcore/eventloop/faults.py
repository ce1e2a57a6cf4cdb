"""Who pays when a step of the loop fails: the one that it was for, and nobody else.

Callbacks of the application have a guard of their own. This one is for everything around them: a poller or
sockets that raise, an allocation that fails, a filter, a phase or a fault of netcore's. A loop that served
what is left of a batch only if nothing of the sort happens would end with the first of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from netcore._complaints import Complaints
from netcore.connection import BaseCounters, Payer

__all__ = ["Faults"]


class Faults:
    """Charges what has failed to whom it was for. On the loop's thread.

    Args:
        index: The loop's, for the log.
        clock: Seconds that never go back.
        counters: Where each is counted, among the errors.
        logger: Where they are reported, one line and one traceback per interval.
        shutdown: Called with what is no ``Exception``, such as SystemExit, and so asks for the end.
    """

    def __init__(
        self,
        index: int,
        clock: Callable[[], float],
        counters: BaseCounters,
        logger: logging.Logger,
        shutdown: Callable[[BaseException], object],
    ) -> None:
        self._index = index
        self._counters = counters
        self._logger = logger
        self._shutdown = shutdown
        self._complaints = Complaints(clock)

    def charge(self, payer: Payer | None, error: BaseException) -> None:
        """Has ``payer`` pay; nobody if it is None, as where one datagram was lost. It never raises.

        What is no ``Exception`` stops the engine, in order, as it does when a callback raises it.
        """
        self._counters.errors += 1
        for _ in range(2):  # the first attempt sets memory free, which the second may need
            try:
                if payer is not None:
                    payer.fault(as_exception(error))
                break
            except BaseException as worse:
                if isinstance(error, Exception):
                    error = worse
        with suppress(Exception):  # a report that cannot be made is none
            self._report(payer, error)

    def _report(self, payer: Payer | None, error: BaseException) -> None:
        if not isinstance(error, Exception):
            self._shutdown(error)
            self._logger.critical("serving %r ends the engine of loop %d", payer, self._index, exc_info=error)
        elif times := self._complaints.due():
            self._logger.error(
                "loop %d could not serve %r (%d times)", self._index, payer, times, exc_info=error
            )


def as_exception(error: BaseException) -> Exception:
    """Returns what a callback may be told of an error, which a SystemExit is not."""
    if isinstance(error, Exception):
        return error
    told = RuntimeError(f"{type(error).__name__} ends the engine")
    told.__cause__ = error
    return told
