"""Virtual time: what is to happen, in its order, one thing after the other."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

__all__ = ["Planned", "Scheduler"]


class Planned:
    """Something that is to happen; ``Simulation.call_at`` and ``call_later`` make it.

    Attributes:
        when: Virtual seconds.
    """

    __slots__ = ("_args", "_function", "when")

    def __init__(self, when: float, function: Callable[..., object], args: tuple[object, ...]) -> None:
        """Made by ``Simulation.call_at``."""
        self.when: float = when
        self._function: Callable[..., object] | None = function
        self._args = args

    def cancel(self) -> None:
        """Has it not happen. Idempotent, and nothing if it has happened."""
        self._function = None
        self._args = ()

    @property
    def what(self) -> tuple[Callable[..., object] | None, tuple[object, ...]]:
        """The function that is to be called, None if it is not any more, and with what.

        :meta private:
        """
        return self._function, self._args

    @property
    def active(self) -> bool:
        """Whether it is still to happen."""
        return self._function is not None

    def happen(self) -> bool:
        """Calls the function, unless it was cancelled; returns whether it did.

        :meta private:
        """
        function, args = self._function, self._args
        if function is None:
            return False
        self._function = None
        self._args = ()
        function(*args)
        return True


class Scheduler:
    """Keeps the virtual time and what is planned.

    Args:
        seed: Of the source of randomness, the only one that there is in a simulation.

    Attributes:
        now: Virtual seconds since the world began.
        random: The source of randomness.
        happened: How many things have happened.
    """

    def __init__(self, seed: int | str | bytes = 0) -> None:
        self.now: float = 0.0
        self.random: random.Random = random.Random(seed)
        self.happened: int = 0
        self._heap: list[tuple[float, int, Planned]] = []
        self._number = 0

    def __len__(self) -> int:
        """How many things are planned, cancelled ones among them."""
        return len(self._heap)

    def call_at(self, when: float, function: Callable[..., object], *args: object) -> Planned:
        """Plans a call; of equal times the one that was planned first comes first.

        Args:
            when: Virtual seconds; what has passed already counts as now.
            function: What to call.
            args: With what.
        """
        planned = Planned(when if when > self.now else self.now, function, args)
        self._number += 1
        heapq.heappush(self._heap, (planned.when, self._number, planned))
        return planned

    def call_later(self, delay: float, function: Callable[..., object], *args: object) -> Planned:
        """Plans a call so many virtual seconds from now."""
        return self.call_at(self.now + delay, function, *args)

    def next_time(self) -> float | None:
        """Returns when the next thing happens; None if nothing is planned."""
        heap = self._heap
        while heap and not heap[0][2].active:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def step(self) -> bool:
        """Has the next thing happen, at its time; returns whether there was one."""
        heap = self._heap
        while heap:
            when, _, planned = heapq.heappop(heap)
            if planned.active:
                self.now = when
                self.happened += 1
                planned.happen()
                return True
        return False

    def advance(self, when: float) -> None:
        """Lets time pass up to some moment, before which nothing is planned."""
        self.now = max(self.now, when)

    def clear(self) -> None:
        """Has nothing happen of what is planned."""
        for _, _, planned in self._heap:
            planned.cancel()
        self._heap.clear()

    def planned(self) -> list[Planned]:
        """Returns what is planned, in its order."""
        return [planned for _, _, planned in sorted(self._heap) if planned.active]
