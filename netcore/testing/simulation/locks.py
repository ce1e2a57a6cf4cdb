"""Locks of a host's code: who waits for one has the world go on, instead of stopping it.

So do conditions, events, semaphores and queues, which are made of locks.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from netcore.testing.simulation import current
from netcore.testing.simulation.coroutines.stand_ins import Make

__all__ = ["lock_stand_ins"]

_PythonQueue: Any = queue._PySimpleQueue  # type: ignore[attr-defined]
"""The other half of ``queue.SimpleQueue``, which is made of locks that can be replaced."""


class WorldLock:
    """A lock that was made while a world ran. Any thread; where no world runs it is an ordinary one.

    Args:
        lock: That.
        what: What who waits for it waits for, for the message.
    """

    __slots__ = ("__weakref__", "_lock", "_what")

    def __init__(self, lock: Any, what: str) -> None:
        self._lock = lock
        self._what = what

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """See ``threading.Lock.acquire``."""
        lock = self._lock
        world = current.world_here()
        if world is None or not blocking or timeout == 0:
            return bool(lock.acquire(blocking, timeout))
        if timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        if lock.acquire(False):
            return True
        if world.inside:
            world.forbid(self._what)
        return world.wait(lambda: bool(lock.acquire(False)), None if timeout == -1 else timeout, self._what)

    def release(self) -> None:
        """See ``threading.Lock.release``."""
        self._lock.release()

    def locked(self) -> bool:
        """See ``threading.Lock.locked``."""
        return bool(self._lock.locked())

    def _at_fork_reinit(self) -> None:
        self._lock._at_fork_reinit()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def lock_stand_ins(thread: int) -> list[tuple[Any, str, Make]]:
    """Lists what is replaced: where, its name, and what makes the stand-in.

    Args:
        thread: That of the world; on others everything is as ever.
    """

    def lock(before: Callable[[], Any]) -> type:
        class Lock(WorldLock):
            __slots__ = ()

            def __new__(cls) -> Any:
                return super().__new__(cls) if threading.get_ident() == thread else before()

            def __init__(self) -> None:
                super().__init__(before(), "waiting for a lock that is taken")

        return Lock

    def allocate_lock(before: Callable[[], Any]) -> Callable[[], Any]:
        def allocate() -> Any:
            here = threading.get_ident() == thread
            return WorldLock(before(), "waiting for another thread") if here else before()

        return allocate

    def simple_queue(before: Callable[[], Any]) -> type:
        class SimpleQueue(_PythonQueue):  # type: ignore[misc]
            def __new__(cls) -> Any:
                return super().__new__(cls) if threading.get_ident() == thread else before()

        return SimpleQueue

    return [
        (threading, "Lock", lock),
        (threading, "_allocate_lock", allocate_lock),  # that of conditions
        (queue, "SimpleQueue", simple_queue),
    ]
