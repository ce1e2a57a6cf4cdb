"""Keys as they are pressed, without Return, where standard input is a terminal."""

from __future__ import annotations

import importlib
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

__all__ = ["Keys", "keys"]

_NAP = 0.05
"""Seconds between two looks, where a console can only be looked at."""


class Keys(Protocol):
    """Where keys come from."""

    def read(self, timeout: float) -> str:
        """Waits for a key so many seconds at most; an empty text if none came."""


class _Posix:
    """A terminal of termios(3), line by line no longer."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, timeout: float) -> str:
        ready, _, _ = select.select([self._fd], [], [], timeout)
        if not ready:
            return ""
        data = sys.stdin.buffer.raw.read(16) if hasattr(sys.stdin.buffer, "raw") else b""
        if not data:  # its end: there will be no key any more
            time.sleep(timeout)
        return data.decode("ascii", "ignore") if data else ""


class _Windows:
    """A console of Windows'."""

    def __init__(self, msvcrt: Any) -> None:
        self._msvcrt = msvcrt

    def read(self, timeout: float) -> str:
        deadline = time.monotonic() + timeout
        while not self._msvcrt.kbhit():
            if time.monotonic() >= deadline:
                return ""
            time.sleep(_NAP)
        return str(self._msvcrt.getwch())


class _Without:
    """No terminal: no keys."""

    def read(self, timeout: float) -> str:
        time.sleep(timeout)
        return ""


@contextmanager
def keys() -> Iterator[Keys]:
    """Gives the keys, and puts the terminal back in the end."""
    if sys.stdin is None or not sys.stdin.isatty():
        yield _Without()
        return
    with suppress(ImportError):
        yield _Windows(importlib.import_module("msvcrt"))
        return
    termios: Any = importlib.import_module("termios")
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    after = list(before)
    after[3] &= ~(termios.ICANON | termios.ECHO)  # and Ctrl+C stays a signal
    termios.tcsetattr(fd, termios.TCSANOW, after)
    try:
        yield _Posix(fd)
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
