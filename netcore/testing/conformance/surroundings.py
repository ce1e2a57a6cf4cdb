"""What a check needs besides the backend: other threads, signals, limits. A simulated host has its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module

from netcore._machine import current

__all__ = ["Beside", "Surroundings", "surroundings"]


class Beside:
    """Something that another thread does again and again; see ``Surroundings.beside``."""

    def __init__(self, every: float, step: Callable[[], object]) -> None:
        self._every = every
        self._step = step
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._enough.wait(self._every) and self._step():
            pass

    def cancel(self) -> None:
        """Has no further step taken. Idempotent."""
        self._enough.set()

    def join(self) -> None:
        """Waits for the last step."""
        self._thread.join()


class Surroundings:
    """Those of the machine that the checking code runs on; here, the real one's."""

    @property
    def signals(self) -> bool:
        """Whether the calling thread is one that signals interrupt: in Python the main thread."""
        return threading.current_thread() is threading.main_thread()

    def beside(self, every: float, step: Callable[[], object]) -> Beside:
        """Has another thread wait, take a step, and again for as long as the step returns something true.

        Args:
            every: Seconds before each step.
            step: What to do; it must not block.
        """
        return Beside(every, step)

    def settle(self) -> None:
        """Lets what is under way on loopback arrive, where that takes a wait; here it does by itself."""

    @contextmanager
    def more_descriptors(self, count: int) -> Iterator[None]:
        """Raises the limit of open descriptors by so many, as far as it can be; macOS starts with 256."""
        with _limit(lambda soft, hard: soft + count if hard < 0 else min(soft + count, hard)):
            yield

    @contextmanager
    def descriptors_left(self, room: int) -> Iterator[bool]:
        """Leaves room for so many descriptors; yields whether the system can do so."""
        with socket.socket() as probe:
            lowest = probe.fileno()  # the kernel gives the lowest number that is free: all below are taken
        with _limit(lambda soft, hard: lowest + room) as limited:
            yield limited


def surroundings() -> Surroundings:
    """Returns those of the machine on which the calling code runs."""
    return current().make(Surroundings)


@contextmanager
def _limit(change: Callable[[int, int], int]) -> Iterator[bool]:
    """Changes the soft limit for a while, see RLIMIT_NOFILE in getrlimit(2); RLIM_INFINITY is negative."""
    try:
        resource = import_module("resource")
    except ImportError:  # Windows, which has no such limit
        yield False
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (change(soft, hard), hard))
    try:
        yield True
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
