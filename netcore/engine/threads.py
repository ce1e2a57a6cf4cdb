"""The threads of an engine's loops: all of them, or none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from netcore.eventloop import Loop

__all__ = ["LoopThreads"]


class LoopThreads:
    """Runs each loop on a thread of its own, a daemon, so that one that hangs does not keep the process."""

    def __init__(self) -> None:
        # Whoever puts a loop in here first has it: its thread, or who closes it without one. An exception on
        # the way out of Thread.start(), such as a KeyboardInterrupt, does not tell whether there is a
        # thread.
        self._taken: dict[Loop, object] = {}
        self._threads: list[threading.Thread] = []

    def start(self, loops: Sequence[Loop], cpus: Sequence[int | None]) -> None:
        """Starts one thread after the other.

        Args:
            loops: Not running yet.
            cpus: For each loop the CPU it is pinned to, None for any.

        Raises:
            RuntimeError: The system has no more threads; ``end`` ends those that there are.
        """
        for loop, cpu in zip(loops, cpus, strict=True):
            thread = threading.Thread(
                target=self._run, args=(loop, cpu), name=f"netcore-{loop.index}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def end(self, loops: Sequence[Loop], stop: Callable[[Loop], object]) -> None:
        """Closes the loops that have no thread, and has the others stop.

        Args:
            loops: All of them.
            stop: Asks a loop to end by itself.
        """
        for loop in loops:
            if self._take(loop):
                loop.close()
            else:
                stop(loop)

    def join(self, deadline: float) -> None:
        """Waits for the threads to be gone, until this time of ``time.monotonic``."""
        for thread in self._threads:
            with suppress(RuntimeError):  # it was never started
                thread.join(max(deadline - time.monotonic(), 0))

    def _run(self, loop: Loop, cpu: int | None) -> None:
        if self._take(loop):
            loop.run(cpu)

    def _take(self, loop: Loop) -> bool:
        mine = object()
        return self._taken.setdefault(loop, mine) is mine
