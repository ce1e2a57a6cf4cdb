"""Locks that a signal handler or a finalizer may ask for in the midst of one's own."""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["Lock", "is_held_here", "make_lock"]

Lock = Any
"""What ``make_lock`` returns: a ``threading.RLock``, which is no type on every interpreter."""


def make_lock() -> Lock:
    """Makes a re-entrant lock: a plain one would wait for the very call that the signal has interrupted."""
    return threading.RLock()


def is_held_here(lock: Lock) -> bool:
    """Tells whether the calling thread has it, and so must not wait for whoever needs it.

    It is what ``threading.Condition`` asks its lock, in every interpreter.
    """
    held: bool = lock._is_owned()
    return held
