"""Writing a log that may block: a pipe that nobody empties must not hold a loop up."""

from __future__ import annotations

import _thread
from collections import deque
from collections.abc import Callable
from contextlib import suppress

__all__ = ["LogWriter"]

_PATIENCE = 0.5
"""Seconds that who logs waits for the line to be written; once it took longer nobody waits any more."""

_MOST = 256
"""Lines that wait at most; those beyond are lost."""


class LogWriter:
    """Does one thing after the other on a thread of its own, for which who asks waits only so long.

    So lines are written in their order, and as a rule before who logs goes on; where they cannot be written
    for some time, the loops serve without. The thread lasts as long as there is something to write. Any
    thread, signal handlers and finalizers too: as in ``TaskQueue`` there is no lock that they could find
    taken, and the thread is none of ``threading``, whose own they could find taken as well.

    Attributes:
        lost: How many were not done since there were too many.
    """

    __slots__ = ("_late", "_right", "_waiting", "_working", "lost")

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[], object], _thread.LockType]] = deque()
        self._right: list[None] = [None]  # to work, which one thread has at a time
        self._working: int | None = None
        self._late = False
        self.lost = 0

    def do(self, action: Callable[[], object]) -> None:
        """Has something done, which raises nothing; it may come later."""
        if self._working == _thread.get_ident():  # what writes the log logs, too
            action()
            return
        if len(self._waiting) >= _MOST:
            self.lost += 1
            return
        done = _thread.allocate_lock()
        done.acquire()
        task = (action, done)
        self._waiting.append(task)
        # In this order, and who works does it in the other: one of the two sees what the other has done.
        if self._right and not self._start() and self._withdraw(task):
            action()  # there is no thread left: a line that may block is better than none
        elif not self._late and not done.acquire(timeout=_PATIENCE):
            self._late = True

    @property
    def working(self) -> bool:
        """Whether something is being done."""
        return not self._right

    def abandon(self) -> None:
        """Begins anew in a forked child, where the thread does not exist."""
        self._waiting.clear()
        self._right = [None]
        self._working = None
        self._late = False

    def _start(self) -> bool:
        try:
            _thread.start_new_thread(self._work, ())
        except RuntimeError:
            return False
        return True

    def _withdraw(self, task: tuple[Callable[[], object], _thread.LockType]) -> bool:
        try:
            self._waiting.remove(task)
        except ValueError:  # another thread has it
            return False
        return True

    def _work(self) -> None:
        while self._waiting:
            try:
                self._right.pop()
            except IndexError:  # another thread has it, and will look again
                return
            try:
                self._working = _thread.get_ident()
                self._do_all()
            finally:
                self._working = None
                self._right.append(None)

    def _do_all(self) -> None:
        while True:
            try:
                action, done = self._waiting.popleft()
            except IndexError:
                self._late = False
                return
            try:
                with suppress(BaseException):
                    action()
            finally:
                done.release()
            del action, done
