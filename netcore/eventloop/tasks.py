"""Functions that other threads want called on the loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

__all__ = ["Task", "TaskQueue"]

Task = tuple[object, Callable[..., object], tuple[object, ...]]
"""A mark that no other task has, a function, and what it is called with."""


class TaskQueue:
    """First in, first out, until it is ended. Any thread, signal handlers and finalizers too.

    These may come in between any two steps, on a thread that is here already, and wait for the loop: so
    neither the loop nor who gives it a task may ever wait here, and there is no lock. A task belongs to
    whoever takes it out: the loop, or, once the queue has ended, who has put it in. The interpreter does
    each step on a deque as a whole; to compare the marks, which is what ``remove`` does, it does not run
    Python code.

    Attributes:
        pending: The tasks; the loop looks every turn whether there are any, and nobody else touches it.
    """

    __slots__ = ("_ended", "pending")

    def __init__(self) -> None:
        self.pending: deque[Task] = deque()
        self._ended = False

    def put(self, function: Callable[..., object], args: tuple[object, ...]) -> bool:
        """Adds a task. Any thread.

        Returns:
            False if the queue has ended; then the task was not added and never runs.
        """
        task = (object(), function, args)
        self.pending.append(task)
        # In this order, and end() does it in the other: one of the two sees what the other has done.
        return not self._ended or not self._withdraw(task)

    def _withdraw(self, task: Task) -> bool:
        try:
            self.pending.remove(task)
        except ValueError:  # end() has it
            return False
        return True

    def take(self, limit: int) -> list[Task]:
        """Takes out the oldest tasks, at most ``limit``. The loop's thread."""
        tasks = self.pending
        return [tasks.popleft() for _ in range(min(limit, len(tasks)))]

    def abandon(self) -> None:
        """Ends without running what is left, in a forked child."""
        self._ended = True
        self.pending.clear()

    def end(self) -> list[Task]:
        """Refuses tasks from now on and returns those that were left. The loop's thread."""
        self._ended = True
        left = []
        while True:
            try:
                left.append(self.pending.popleft())
            except IndexError:
                return left
