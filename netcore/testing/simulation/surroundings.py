"""What stands on a simulated host for the other threads, and the limits, of the conformance checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from netcore.testing.conformance.surroundings import Beside, Surroundings
from netcore.testing.simulation import current

if TYPE_CHECKING:
    from netcore.testing.simulation.net.kernel import Kernel
    from netcore.testing.simulation.parts import Run

__all__ = ["SimulatedSurroundings"]

_SETTLED = 0.001
"""Virtual seconds after which what was sent to the same host is there: it takes some microseconds."""


class _Steps(Beside):
    """Stands for another thread: its steps are events of the world."""

    def __init__(self, kernel: Kernel, run: Run, every: float, step: Callable[[], object]) -> None:
        self._kernel = kernel
        self._scheduler = kernel.scheduler
        self._run_on_host = run
        self._every = every
        self._step = step
        self._next = self._scheduler.call_later(every, self._act)
        self._ended = False

    def _act(self) -> None:
        self._ended = True  # but for a step that says otherwise; not for one that raises
        if self._kernel.alive:
            self._run_on_host(self._take_step)
        if not self._ended:
            self._next = self._scheduler.call_later(self._every, self._act)

    def _take_step(self) -> None:
        self._ended = not self._step()

    def cancel(self) -> None:
        """See ``Beside.cancel``."""
        self._ended = True
        self._next.cancel()

    def join(self) -> None:
        """See ``Beside.join``."""
        current.wait(lambda: self._ended, None, "what goes on beside a check to end")


class SimulatedSurroundings(Surroundings):
    """Those of a host. There are no signals in a simulated world.

    Args:
        kernel: The host's.
        run: Runs something as the host's code, on a thread of its own.
    """

    def __init__(self, kernel: Kernel, run: Run) -> None:
        self._kernel = kernel
        self._run = run

    @property
    def signals(self) -> bool:
        """See ``Surroundings.signals``."""
        return False

    def beside(self, every: float, step: Callable[[], object]) -> Beside:
        """See ``Surroundings.beside``."""
        return _Steps(self._kernel, self._run, every, step)

    def settle(self) -> None:
        """See ``Surroundings.settle``."""
        current.wait(lambda: False, _SETTLED, "what was sent to arrive")

    @contextmanager
    def more_descriptors(self, count: int) -> Iterator[None]:
        """See ``Surroundings.more_descriptors``."""
        before = self._kernel.descriptor_limit
        with self._limited(None if before is None else before + count):
            yield

    @contextmanager
    def descriptors_left(self, room: int) -> Iterator[bool]:
        """See ``Surroundings.descriptors_left``."""
        with self._limited(self._kernel.descriptor_count + room):
            yield True

    @contextmanager
    def _limited(self, limit: int | None) -> Iterator[None]:
        kernel = self._kernel
        before, kernel.descriptor_limit = kernel.descriptor_limit, limit
        try:
            yield
        finally:
            kernel.descriptor_limit = before
