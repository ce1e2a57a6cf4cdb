"""What a task waits for that reads: woken by a callback of its connection, at once.

A future of asyncio wakes its task in the next iteration of the loop, which is one more wait and one more
round of everything. This one wakes it within the callback, so that the answers of all connections that were
ready leave in the batch of that very turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any

__all__ = ["Arrival"]


class Arrival:
    """Awaited by one task at a time, any number of times; like a future as far as a task looks. One thread.

    Args:
        loop: The asyncio loop of the tasks.

    Attributes:
        need: Bytes that who waits has need of, maybe infinitely many; 0 while nobody waits.
        busy: Whether a task waits, or was woken and has not run yet.
    """

    __slots__ = ("_asyncio_future_blocking", "_callback", "_cancelled", "_context", "_loop", "busy", "need")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._asyncio_future_blocking = False
        self._loop = loop
        self._callback: Callable[[Arrival], object] | None = None
        self._context: Context | None = None
        self._cancelled: object = None
        self.busy: bool = False
        self.need: float = 0

    def __await__(self) -> Generator[Arrival, None, None]:
        """Waits for ``wake``; whoever does so has set ``need``."""
        self._cancelled = None
        self._asyncio_future_blocking = self.busy = True
        try:
            yield self
        finally:
            self.busy = False
            self.need = 0

    def wake(self) -> None:
        """Has the task go on within this call, if one waits; not called by a task."""
        callback, self._callback, self.need = self._callback, None, 0
        if callback is not None and self._context is not None:
            self._context.run(callback, self)

    def wake_later(self) -> None:
        """Has it go on in the next iteration of its loop."""
        self.need = 0
        if self._callback is not None:
            callback, self._callback = self._callback, None
            self._loop.call_soon(callback, self, context=self._context)

    # What a task asks of a future.

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """See ``asyncio.Future.get_loop``."""
        return self._loop

    def add_done_callback(
        self, callback: Callable[[Arrival], object], *, context: Context | None = None
    ) -> None:
        """See ``asyncio.Future.add_done_callback``; there is one, the task's."""
        self._callback = callback
        self._context = context

    def remove_done_callback(self, callback: Callable[[Arrival], object]) -> int:
        """See ``asyncio.Future.remove_done_callback``."""
        found = self._callback == callback
        if found:
            self._callback = None
        return int(found)

    def cancel(self, msg: Any = None) -> bool:
        """See ``asyncio.Future.cancel``; called by ``Task.cancel``."""
        if self._callback is None:
            return False
        self._cancelled = asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg)
        self.wake_later()
        return True

    def done(self) -> bool:
        """See ``asyncio.Future.done``."""
        return self._callback is None

    def cancelled(self) -> bool:
        """See ``asyncio.Future.cancelled``."""
        return self._cancelled is not None

    def result(self) -> None:
        """See ``asyncio.Future.result``; asked by the task when it goes on."""
        if self._cancelled is not None:
            error, self._cancelled = self._cancelled, None
            assert isinstance(error, BaseException)
            raise error

    def exception(self) -> None:
        """See ``asyncio.Future.exception``."""
