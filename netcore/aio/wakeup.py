"""Signals as a wake-up: on the main thread the loop's wait ends when one comes.

The interpreter runs handlers of signals between two of its instructions, so that a wait has to end before
Ctrl-C, say, can have an effect. Windows interrupts no system call for it; POSIX systems do, but for a signal
that comes just before the wait begins. The byte that the interpreter writes to a socket is in time for both.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from netcore._signals import hears_signals

__all__ = ["woken_by_signals"]


@contextmanager
def woken_by_signals(sock: socket.socket | None, keep: Callable[[], object]) -> Iterator[None]:
    """Has signals write to a non-blocking socket on the main thread; on another one this does nothing.

    Args:
        sock: What the loop reads the other end of; None if it is closed.
        keep: Whether that is to stay so afterwards.
    """
    if sock is None or not hears_signals():
        yield
        return
    former = signal.set_wakeup_fd(sock.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        if not keep():
            _give_back(former)


def _give_back(former: int) -> None:
    signal.set_wakeup_fd(-1)
    with suppress(OSError, ValueError):  # its owner has closed it in the meantime
        signal.set_wakeup_fd(former)
