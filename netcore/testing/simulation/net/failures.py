"""Errors as the standard library raises them for a system call that fails."""

from __future__ import annotations

import errno
import os

__all__ = ["failure", "would_block"]


def failure(code: int) -> OSError:
    """Makes the error of an errno."""
    return OSError(code, os.strerror(code))


_WOULD_BLOCK = os.strerror(errno.EAGAIN)


def would_block() -> BlockingIOError:
    """Makes the error of a call that would block."""
    return BlockingIOError(errno.EAGAIN, _WOULD_BLOCK)
