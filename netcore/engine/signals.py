"""SIGINT and SIGTERM while ``run`` serves: the first ends it in order, the second at once."""

from __future__ import annotations

import signal
from contextlib import AbstractContextManager
from types import FrameType

from netcore.engine.dying import die
from netcore.engine.engine import Engine
from netcore.engine.signal_handlers import handling

__all__ = ["Signals"]

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))
"""Ctrl+C, a request to end, and on Windows Ctrl+Break."""

_AT_ONCE = 0.5
"""Seconds that the second signal leaves the loops to reset their connections and tell the handler."""


class Signals:
    """What the signals do to one engine. On the main thread, where the interpreter runs signal handlers.

    They act where they come, since the thread may be in a callback that never returns.

    Args:
        engine: What they end.

    Attributes:
        serving: Whether ``start`` has returned. Until it is about to, ending the loops does not end ``run``.
    """

    def __init__(self, engine: Engine) -> None:
        self.serving = False
        self._engine = engine
        self._count = 0

    def handled(self) -> AbstractContextManager[None]:
        """Handles the signals, if this thread may, and those that the process does not ignore (nohup(1))."""
        return handling(_SIGNALS, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1:
            self._engine.request_stop()
            return
        if self._count == 2:
            self._engine.stop_now()
            if self._engine.join(_AT_ONCE) and (self.serving or self._engine.has_booted):
                return
        die(number, self._engine)
