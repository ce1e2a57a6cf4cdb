"""SIGINT and SIGTERM while ``run`` serves: the first ends it in order, the second at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from netcore.engine.dying import die
from netcore.engine.engine import Engine

__all__ = ["Signals"]

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))
"""Ctrl+C, a request to end, and on Windows Ctrl+Break."""

_LARGEST_ACTION = 1024
"""Bytes that hold a ``struct sigaction`` of any system: glibc's is 152."""

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

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handles the signals, if this thread may, and those that the process does not ignore (nohup(1))."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        former: dict[int, Callable[[], object]] = {}
        try:
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    former[number] = _restorer(number)
                    signal.signal(number, self._handle)
            yield
        finally:
            for number, restore in former.items():
                if signal.getsignal(number) == self._handle:  # else the application has set its own meanwhile
                    restore()

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


def _restorer(number: int) -> Callable[[], object]:
    """Returns what brings back the present handler of a signal, be it one that Python has not installed.

    Of such one ``getsignal`` knows nothing, or what was there before; so the system is asked as well.
    """
    present = signal.getsignal(number)
    restore_native = _native_restorer(number)

    def restore() -> None:
        signal.signal(number, signal.SIG_DFL if present is None else present)
        restore_native()

    return restore


def _native_restorer(number: int) -> Callable[[], object]:
    """Does so with sigaction(2), flags included, or by way of CPython's API where there is none."""
    with suppress(Exception):  # there is no ctypes, or no CPython
        import ctypes  # not everywhere

        api = ctypes.pythonapi
        if hasattr(api, "sigaction"):
            action = ctypes.create_string_buffer(_LARGEST_ACTION)
            if api.sigaction(number, None, action) == 0:
                return lambda: api.sigaction(number, action, None)
        api.PyOS_getsig.restype = api.PyOS_setsig.restype = ctypes.c_void_p
        api.PyOS_getsig.argtypes = [ctypes.c_int]
        api.PyOS_setsig.argtypes = [ctypes.c_int, ctypes.c_void_p]
        address = api.PyOS_getsig(number)
        return lambda: api.PyOS_setsig(number, address)
    return lambda: None
