"""What the end of the process, and a fork of it, mean for the pools in it."""

from __future__ import annotations

import atexit
import os
import weakref
from typing import Protocol

__all__ = ["track"]


class _Tracked(Protocol):
    """What is asked of a pool."""

    def shutdown(self, wait: bool = True) -> None: ...

    def abandon(self) -> None: ...


_pools: weakref.WeakSet[_Tracked] = weakref.WeakSet()


def track(pool: _Tracked) -> None:
    """Has a pool finish its work before the interpreter ends, and begin anew in a forked child."""
    _pools.add(pool)


def _finish_all() -> None:
    """The threads are daemons, or idle ones would keep the process: what they have accepted is waited for."""
    for pool in list(_pools):
        pool.shutdown(wait=False)
    for pool in list(_pools):
        pool.shutdown()


def _abandon_all() -> None:
    for pool in list(_pools):
        pool.abandon()


atexit.register(_finish_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
