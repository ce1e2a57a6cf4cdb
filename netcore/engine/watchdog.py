"""Turns that take too long, told while they do: ``Options.watchdog``.

A thread looks at the loops eight times in that time, which costs them nothing. It knows of a turn from when
it has first seen it: so what takes an eighth longer than the option says is certain to be told, what takes
just a little longer may be, and what takes less never is.

Who holds the GIL all the time, as a regular expression may that goes through all there is, keeps this thread
from looking. When it gets its turn at last, the callback is not over as a rule; that it is late, and that the
process has not been stopped meanwhile but computed, says for how long the turn has lasted.
"""

from __future__ import annotations

import _thread
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from netcore.connection import BaseCounters
from netcore.engine.hangs import log_with_stack
from netcore.eventloop import whereabouts

__all__ = ["Watchdog"]

_LOOKS = 8
"""How often a loop is looked at in the time that a turn may take."""

_SHORTEST, _LONGEST = 0.001, 1.0
"""Bounds of the seconds between two looks."""


class _Watched(Protocol):
    """What is asked of a loop."""

    index: int
    counters: BaseCounters

    @property
    def thread_id(self) -> int | None: ...

    def present_turn(self) -> tuple[int, float] | None: ...


@dataclass(frozen=True, slots=True)
class _Hang:
    """A turn that takes too long.

    Attributes:
        number: The turn's.
        where: What it was in when it was told.
        began: About when it began, in seconds of the clock.
    """

    number: int
    where: str
    began: float


class Watchdog:
    """Looks at the loops of an engine, on a thread of its own.

    Args:
        loops: Whose turns are watched.
        limit: Seconds that one may take.
        logger: Where it is told.
        clock: Seconds that never go back.
        cpu_clock: Seconds that this process has computed.

    Attributes:
        interval: Seconds between two looks.
    """

    def __init__(
        self,
        loops: Sequence[_Watched],
        limit: float,
        logger: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = time.process_time,
    ) -> None:
        self.interval = min(max(limit / _LOOKS, _SHORTEST), _LONGEST)
        self._loops = loops
        self._limit = limit
        self._logger = logger
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._hangs: dict[int, _Hang] = {}
        self._looked, self._computed = clock(), cpu_clock()
        self._ended = _thread.allocate_lock()  # held until the end; one that signal handlers may let go of
        self._ended.acquire()

    def start(self) -> None:
        """Begins to look.

        Raises:
            RuntimeError: The system has no more threads.
        """
        threading.Thread(target=self._run, name="netcore-watchdog", daemon=True).start()

    def end(self) -> None:
        """Looks no more. Any thread, and more than once."""
        with suppress(RuntimeError):
            self._ended.release()

    def _run(self) -> None:
        while not self._ended.acquire(timeout=self.interval):
            with suppress(Exception):  # as of a loop's clock: the next look may succeed
                self.look()

    def look(self) -> None:
        """Looks at each loop once, and tells of turns that take too long, and of the end of such."""
        now, computed = self._clock(), self._cpu_clock()
        away = now - self._looked
        kept_off = min(away - self.interval, computed - self._computed) >= self._limit
        self._looked, self._computed = now, computed
        for loop in self._loops:
            turn = loop.present_turn()
            number, seconds = turn or (-1, 0.0)
            hang = self._hangs.get(loop.index)
            if hang is not None and hang.number != number:
                del self._hangs[loop.index]
                self._tell_end(loop, hang, now - hang.began)
                hang = None
            if turn is not None and kept_off:
                seconds = max(seconds, away)
            if hang is None and turn is not None and seconds > self._limit:
                self._hangs[loop.index] = self._tell(loop, number, seconds, now)

    def _tell(self, loop: _Watched, number: int, seconds: float, now: float) -> _Hang:
        found = whereabouts(loop.thread_id)
        loop.counters.hangs += 1  # once it is known where: who sees this may let it go on
        where = found.callback if found is not None else "what cannot be told"
        how = "is stuck in" if found is not None and found.in_callback else "is in"
        text = "loop %d %s %s: its turn takes %.3g s already, and may take %g"
        arguments = loop.index, how, where, seconds, self._limit
        log_with_stack(self._logger, logging.ERROR, text, arguments, None if found is None else found.stack)
        return _Hang(number, where, now - seconds)

    def _tell_end(self, loop: _Watched, hang: _Hang, seconds: float) -> None:
        text = "loop %d goes on: the turn that was in %s took about %.3g s"
        self._logger.warning(text, loop.index, hang.where, seconds)
