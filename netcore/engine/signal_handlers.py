"""Handlers of signals for as long as something serves, and what was there before them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from netcore._signals import hears_signals

__all__ = ["SignalHandler", "handling"]

SignalHandler = Callable[[int, "FrameType | None"], object]

_LARGEST_ACTION = 1024
"""Bytes that hold a ``struct sigaction`` of any system: glibc's is 152."""


@contextmanager
def handling(numbers: Iterable[int], handle: SignalHandler, even_ignored: bool = False) -> Iterator[None]:
    """Handles signals during the block. On any thread but the main one, which alone may, nothing happens.

    The former handlers come back, unless somebody has set others meanwhile.

    Args:
        numbers: Which.
        handle: What is called with a signal's number and the frame that it interrupts.
        even_ignored: Whether those are handled, too, that the process ignores, as nohup(1) has it.
    """
    if not hears_signals():
        yield
        return
    former: dict[int, Callable[[], object]] = {}
    try:
        for number in numbers:
            if even_ignored or signal.getsignal(number) is not signal.SIG_IGN:
                former[number] = _restorer(number)
                signal.signal(number, handle)
        yield
    finally:
        for number, restore in former.items():
            if signal.getsignal(number) == handle:
                restore()


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
