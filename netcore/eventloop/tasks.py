"""Functions that other threads want called on the loop."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

__all__ = ["Task", "TaskQueue"]

Task = tuple[Callable[..., object], tuple[object, ...]]


class TaskQueue:
    """First in, first out, until it is ended."""

    __slots__ = ("_ended", "_lock", "_tasks")

    def __init__(self) -> None:
        self._tasks: deque[Task] = deque()
        self._lock = threading.Lock()
        self._ended = False

    def __len__(self) -> int:
        return len(self._tasks)

    def put(self, function: Callable[..., object], args: tuple[object, ...]) -> bool:
        """Adds a task. Any thread.

        Returns:
            False if the queue has ended; then the task was not added and never runs.
        """
        with self._lock:  # so that nothing slips in behind the last look of end()
            if self._ended:
                return False
            self._tasks.append((function, args))
            return True

    def take(self, limit: int) -> list[Task]:
        """Takes out the oldest tasks, at most ``limit``. The loop's thread."""
        tasks = self._tasks
        return [tasks.popleft() for _ in range(min(limit, len(tasks)))]

    def end(self) -> list[Task]:
        """Refuses tasks from now on and returns those that were left. The loop's thread."""
        with self._lock:
            self._ended = True
            left = list(self._tasks)
            self._tasks.clear()
            return left
