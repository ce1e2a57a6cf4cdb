"""Functions that other threads want called on the loop."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

__all__ = ["Task", "TaskQueue"]

Task = tuple[Callable[..., object], tuple[object, ...]]


class TaskQueue:
    """First in, first out, until it is ended.

    Attributes:
        pending: The tasks; the loop looks every turn whether there are any, and nobody else touches it.
    """

    __slots__ = ("_ended", "_lock", "pending")

    def __init__(self) -> None:
        self.pending: deque[Task] = deque()
        self._lock = threading.Lock()
        self._ended = False

    def put(self, function: Callable[..., object], args: tuple[object, ...]) -> bool:
        """Adds a task. Any thread.

        Returns:
            False if the queue has ended; then the task was not added and never runs.
        """
        with self._lock:  # so that nothing slips in behind the last look of end()
            if self._ended:
                return False
            self.pending.append((function, args))
            return True

    def take(self, limit: int) -> list[Task]:
        """Takes out the oldest tasks, at most ``limit``. The loop's thread."""
        tasks = self.pending
        return [tasks.popleft() for _ in range(min(limit, len(tasks)))]

    def abandon(self) -> None:
        """Ends without running what is left, in a forked child, where the lock may be held by nobody."""
        self._lock = threading.Lock()
        self._ended = True
        self.pending.clear()

    def end(self) -> list[Task]:
        """Refuses tasks from now on and returns those that were left. The loop's thread."""
        with self._lock:
            self._ended = True
            left = list(self.pending)
            self.pending.clear()
            return left
