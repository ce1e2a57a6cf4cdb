"""Writing by a system call that has no MSG_NOSIGNAL, without the signal that ends the process.

A write to a connection whose peer has gone raises SIGPIPE in the thread that writes. Python ignores it, but
command-line tools set it back to its default, by which it is fatal. send(2) takes a flag against it and
sendfile(2) does not, so the signal is blocked meanwhile, and taken away if it has come. A mask for the whole
thread would be inherited by every process that a handler starts.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

__all__ = ["without_sigpipe"]

_SIGPIPE: int | None = getattr(signal, "SIGPIPE", None)
_signal: Any = signal  # whose functions differ between the platforms


def without_sigpipe(write: Callable[[int, int, int, int], int], *arguments: int) -> int:
    """Calls a function that writes to a connection; a connection that is dead is its OSError and no more."""
    if _SIGPIPE is None or signal.getsignal(_SIGPIPE) is signal.SIG_IGN:  # a fifth of what the masks take
        return write(*arguments)
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, (_SIGPIPE,))
    try:
        # One that waits already is the application's, who has blocked it.
        waits = _SIGPIPE in before and _SIGPIPE in _signal.sigpending()
        try:
            return write(*arguments)
        except BrokenPipeError:
            if not waits:
                _take()
            raise
    finally:
        if _SIGPIPE not in before:
            _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (_SIGPIPE,))


def _take() -> None:
    """Takes the signal away, if it is this thread's; sigtimedwait(2), which macOS and OpenBSD lack."""
    if hasattr(signal, "sigtimedwait"):
        _signal.sigtimedwait((_SIGPIPE,), 0)
    elif _SIGPIPE in _signal.sigpending():
        _signal.sigwait((_SIGPIPE,))
