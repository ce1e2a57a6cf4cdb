"""Waiting in columns: descriptors and readiness apart, which spares a busy loop a pair for every event."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from typing import Protocol, cast

from netcore._overriding import stands_for
from netcore.poll.protocol import Poller, Readiness

__all__ = ["ColumnPoller", "Columns", "columns_of"]

_ONLY_READABLE = {int(Readiness.READABLE)}

_MOST = 256
"""Events that a turn takes, so that many of them do not make it long."""

Columns = tuple[list[int], list[int] | None]
"""Ready descriptors, and what each is ready for; None in place of these if all are READABLE and no more."""


class ColumnPoller(Poller, Protocol):
    """A poller that can say the same as ``wait`` in a form that costs less."""

    def wait_columns(self, timeout: float | None) -> Columns:
        """Does what ``wait`` does. Errors, threads and timeout are the same.

        Returns:
            What ``wait`` would return, as columns; the descriptors are empty unless one was ready.
        """


def columns_of(poller: Poller) -> Callable[[float | None], Columns]:
    """Returns the poller's ``wait_columns``, or one made of its ``wait``.

    If a poller that knows levels only, as the reference does, finds very many ready, they come in portions:
    what is left out it finds again. Of edges none may be left out.
    """
    if stands_for("wait_columns", "wait", type(poller)):
        return cast("ColumnPoller", poller).wait_columns

    last = -1

    def wait_columns(timeout: float | None) -> Columns:
        nonlocal last
        events = poller.wait(timeout)
        if not events:
            return [], None
        if len(events) > _MOST and not poller.supports_edge:
            events = sorted(events)
            begin = bisect.bisect(events, (last + 1, 0))  # behind those that were chosen before
            events = (events[begin:] + events[:begin])[:_MOST]
            last = events[-1][0]
        fds, readiness = zip(*events, strict=True)
        return list(fds), None if set(readiness) == _ONLY_READABLE else list(readiness)

    return wait_columns
