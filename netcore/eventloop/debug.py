"""A handler that reports callbacks which hold the loop too long; for ``Options.debug``."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any

from netcore._complaints import complain
from netcore.handler import EventHandler

__all__ = ["TimedHandler"]

_SLOW = 0.1
"""Seconds: what a person notices, and ten thousand times what a callback should take."""

_CALLBACKS = (
    "on_open",
    "on_traffic",
    "on_eof",
    "on_writable",
    "on_timeout",
    "on_error",
    "on_close",
    "on_tick",
)


class TimedHandler(EventHandler):
    """Passes every callback on and measures it."""

    def __init__(self, handler: EventHandler, logger: logging.Logger) -> None:
        for name in _CALLBACKS:
            setattr(self, name, _timed(name, getattr(handler, name), logger))


def _timed(name: str, callback: Callable[..., Any], logger: logging.Logger) -> Callable[..., Any]:
    @functools.wraps(callback)
    def call(*args: Any) -> Any:
        started = time.perf_counter()
        try:
            return callback(*args)
        finally:
            elapsed = time.perf_counter() - started
            if elapsed >= _SLOW:
                what = "%s held its loop for %.3f s; move blocking work off the loop"
                complain(logger, logging.WARNING, ("slow", name), what, name, elapsed)

    return call
