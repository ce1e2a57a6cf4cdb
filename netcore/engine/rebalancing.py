"""Spreading idle connections evenly over loops that serve already."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netcore.eventloop import Loop

__all__ = ["Rebalancer", "rebalance"]


def rebalance(loops: Sequence[Loop]) -> int:
    """Has crowded loops give idle connections to others, until they differ by one at most. Any thread.

    They do so in their next turns, a part of them in each. Each compares what there is as it goes, so that it
    does no harm to ask again before that is over.

    Returns:
        How many connections are to move, if so many are idle; 0 where none can.
    """
    able = [loop for loop in loops if all(loop.exchanges_with(other) for other in loops)]
    counts = {loop: loop.connection_count for loop in able}
    for loop, count in counts.items():
        if count - min(counts.values()) >= 2:
            loop.post(loop.moving.give, [other for other in able if other is not loop])
    return _excess(sorted(counts.values(), reverse=True))


def _excess(counts: list[int]) -> int:
    """How many have to move from the first of them, in falling order, so that they differ by one at most."""
    if not counts:
        return 0
    share, more = divmod(sum(counts), len(counts))
    return sum(max(count - share - (i < more), 0) for i, count in enumerate(counts))


class Rebalancer:
    """Does so again and again while an engine runs.

    Args:
        loops: The engine's, of which the first keeps the time.
        interval: Seconds between two times.
        running: Whether to go on.
    """

    def __init__(self, loops: Sequence[Loop], interval: float, running: Callable[[], bool]) -> None:
        self._loops = loops
        self._interval = interval
        self._running = running

    def start(self) -> None:
        """Begins, with the first time after the interval. Any thread."""
        self._loops[0].post(self._plan)

    def _plan(self) -> None:
        if self._running():
            self._loops[0].schedule(self._interval, self._again)

    def _again(self) -> None:
        rebalance(self._loops)
        self._plan()
