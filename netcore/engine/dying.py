"""The end of the process at once, for the second signal, with a word on why.

Nothing here waits for long for anything that a callback which hangs may hold: the lock of a stream or of a
logging handler, or a pipe that nobody reads.
"""

from __future__ import annotations

import _thread
import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netcore.engine.engine import Engine

__all__ = ["die"]

_PATIENCE = 1.0
"""Seconds for what may block."""

_STDERR = 2

_AT_ONCE = 4096
"""Bytes that a pipe takes whole when it is writable: PIPE_BUF of Linux (pipe(7))."""


def die(number: int, engine: Engine) -> None:
    """Ends the process by a signal, saying where the threads are that keep it from ending. The main thread.

    The status is that of the signal, as shells and supervisors expect of who dies by it (128 + number).
    """
    try:
        found = engine.hangs()
        why = f"netcore: ended by a second {signal.Signals(number).name}: "
        what = "; ".join(what for what, _ in found) or "nothing is known to hang"
        _write("\n".join([why + what, *(f"{what}:\n{stack}" for what, stack in found)]))
        _within(_PATIENCE, lambda: engine.report_hangs(why.rstrip(": ")))
        _within(_PATIENCE, _flush)
    finally:
        _kill(number)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


def _write(text: str) -> None:
    """Writes to standard error as much as it takes without blocking."""
    data = text.encode(errors="backslashreplace")[:_AT_ONCE]
    with suppress(OSError, ValueError):
        if os.name == "nt" or select.select([], [_STDERR], [], _PATIENCE)[1]:
            os.write(_STDERR, data)


def _within(seconds: float, action: Callable[[], object]) -> None:
    """Does something on another thread, and goes on without it after so many seconds."""
    done = _thread.allocate_lock()
    done.acquire()

    def work() -> None:
        try:
            action()
        finally:
            done.release()

    with suppress(RuntimeError):  # there is no thread left
        # Not threading.Thread, whose locks the interrupted call may have.
        _thread.start_new_thread(work, ())
        done.acquire(timeout=seconds)


def _kill(number: int) -> None:
    if os.name != "nt":
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)  # which does nothing to the first process of a container
    os._exit(128 + number)
