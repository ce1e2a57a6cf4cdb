"""Waiting in columns: descriptors and readiness apart, which spares a busy loop a pair for every event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from netcore.poll.protocol import Poller

__all__ = ["ColumnPoller", "Columns", "columns_of"]

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
    """Returns the poller's ``wait_columns``, or one made of its ``wait``."""
    if _has_columns(poller):
        return cast("ColumnPoller", poller).wait_columns

    def wait_columns(timeout: float | None) -> Columns:
        events = poller.wait(timeout)
        if not events:
            return [], None
        fds, readiness = zip(*events, strict=True)
        return list(fds), list(readiness)

    return wait_columns


def _has_columns(poller: Poller) -> bool:
    # Who inherits a poller, or wraps one, and brings a wait of its own wants that to be called.
    for cls in type(poller).__mro__:
        if "wait_columns" in vars(cls):
            return True
        if "wait" in vars(cls):
            return False
    return False
