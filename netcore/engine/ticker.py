"""The ticks of an engine."""

from __future__ import annotations

import logging

from netcore import _machine
from netcore._complaints import complain, place_of
from netcore._durations import delay_of
from netcore.eventloop import Loop
from netcore.handler import Action, EngineView, EventHandler

__all__ = ["Ticker"]

_AT_FIRST = 1.0
"""Seconds until it is tried again if the first tick has already failed."""


class Ticker:
    """Calls ``on_tick`` on one loop, again and again, whatever becomes of a single call.

    Args:
        handler: Whose callback it is.
        engine: What it is given; ticks end when that stops.
        loop: Where it runs.
        logger: Where failures are reported.
    """

    def __init__(self, handler: EventHandler, engine: EngineView, loop: Loop, logger: logging.Logger) -> None:
        self._handler = handler
        self._engine = engine
        self._loop = loop
        self._logger = logger
        self._delay = _AT_FIRST

    def start(self) -> None:
        """Has the first tick come soon. Any thread."""
        self._loop.post(self._tick)

    def _tick(self) -> None:
        if not self._engine.running:
            return
        try:
            delay = self._handler.on_tick(self._engine)
            if delay is None:
                return
            self._delay = _checked(delay)
        except Exception as error:
            self._loop.counters.errors += 1
            _machine.current().raised(error, "on_tick")
            what = "on_tick failed; it is called again in %g s"
            complain(self._logger, logging.ERROR, place_of(error), what, self._delay, error=error)
        if self._engine.running:
            self._loop.schedule(self._delay, self._tick)


def _checked(delay: object) -> float:
    """Returns what ``on_tick`` has returned as a delay.

    Raises:
        TypeError: It is none: not even an ``Action``, which is an int.
        ValueError: It is not a number.
    """
    if isinstance(delay, Action):
        raise TypeError(f"on_tick returned {delay!r}: it must be seconds to the next tick, or None")
    return delay_of(delay)
