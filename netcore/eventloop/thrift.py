"""Giving memory back to the system after much of it was let go of.

The C library keeps what is freed in pieces, for the next to ask: after ten connections that were cut off at
64 MiB a process would keep 700 MB for good. It is told to give that back, some time after a large release, on
a thread of its own: finding the pages takes milliseconds, and other threads hardly notice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from netcore._locks import make_lock
from netcore._platform import return_freed_memory

__all__ = ["Thrift"]

_WORTH = 8 << 20
"""Bytes that are worth it."""

_CALM = 0.5
"""Seconds after which a burst is hoped to be over."""

_INTERVAL = 5.0
"""Seconds between two times in one process, whose loops share its memory."""

_lock = make_lock()
_last = float("-inf")


class Thrift:
    """Counts what a loop's connections let go of. The loop's thread.

    Args:
        schedule: See ``EventLoop.schedule``.
        give_back: What returns the memory of the process; called on a thread of its own.
    """

    def __init__(
        self,
        schedule: Callable[..., object],
        give_back: Callable[[], object] = return_freed_memory,
    ) -> None:
        self._schedule = schedule
        self._give_back = give_back
        self._freed = 0
        self._planned = False

    def freed(self, size: int) -> None:
        """So many bytes were let go of."""
        self._freed += size
        if self._freed >= _WORTH and not self._planned:
            self._planned = True
            self._schedule(_CALM, self._act)

    def finish(self) -> None:
        """The loop ends: what it has let go of is given back now, if it is worth it."""
        if self._freed >= _WORTH:
            self._begin()

    def _act(self) -> None:
        self._planned = False
        wait = _wait()
        if wait > 0:
            self._planned = True
            self._schedule(wait, self._act)
        else:
            self._begin()

    def _begin(self) -> None:
        self._freed = 0
        with suppress(RuntimeError, MemoryError):  # no thread can be started now, and it is no duty
            threading.Thread(target=self._give_back, name="netcore-thrift", daemon=True).start()


def _wait() -> float:
    """Returns the seconds until this process may do it again; 0 if it does so now."""
    global _last
    with _lock:
        now = time.monotonic()
        wait = _last + _INTERVAL - now
        if wait > 0:
            return wait
        _last = now
        return 0.0
