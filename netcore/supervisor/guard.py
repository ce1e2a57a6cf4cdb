"""The end of a process whose supervisor is gone: nobody would know of it any more."""

from __future__ import annotations

import os
import threading
import time

from netcore._native import MISSING, check, native
from netcore.supervisor._posix import select, signal

__all__ = ["guard", "guard_in_python"]


def guard(fd: int, grace: float) -> None:
    """Has this process killed once the other end of a channel is closed, whatever its other threads do.

    A forked child is not guarded: it belongs to who has made it.

    Args:
        fd: The descriptor of a connected Unix socket, which stays the caller's.
        grace: Seconds from then, in which the process may end by itself.

    Raises:
        OSError: There is no descriptor or no thread left for it.
    """
    if MISSING:
        guard_in_python(fd, grace)
    else:
        check(native()[1].nc_guard(fd, int(grace * 1000)))


def guard_in_python(fd: int, grace: float) -> None:
    """Does the same, for want of the native part, as far as the other threads give up the GIL at times."""
    own = os.dup(fd)
    threading.Thread(target=_watch, args=(own, grace), name="netcore-guard", daemon=True).start()


def _watch(fd: int, grace: float) -> None:
    poll = select.poll()
    poll.register(fd, 0)  # for a hang-up, which is reported unasked: poll(2)
    poll.poll()
    time.sleep(grace)
    os.kill(os.getpid(), signal.SIGKILL)
