"""What the standard library does with the bare number of a descriptor, done with a simulated socket's."""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from netcore.testing.simulation.net.failures import failure
from netcore.testing.simulation.net.handles import kernel_here

__all__ = ["BY_NUMBER"]


def _close(fd: int) -> None:
    kernel_here().close(fd)


def _fstat(fd: int) -> os.stat_result:
    kernel_here().file(fd)
    return os.stat_result((stat.S_IFSOCK | 0o777, fd, 0, 1, 0, 0, 0, 0, 0, 0))


def _get_blocking(fd: int) -> bool:
    return kernel_here().file(fd).blocks


def _set_blocking(fd: int, blocking: bool) -> None:
    kernel_here().file(fd).blocks = bool(blocking)


def _get_inheritable(fd: int) -> bool:
    return kernel_here().is_inheritable(fd)


def _set_inheritable(fd: int, inheritable: bool) -> None:
    kernel_here().set_inheritable(fd, inheritable)


def _set_wakeup_fd(fd: int, *, warn_on_full_buffer: bool = True) -> int:
    """Notes nothing: no signal will come."""
    kernel_here().file(fd)
    return -1


def _ioctl(fd: int, request: int, arg: Any = 0, mutate_flag: bool = True) -> int:
    """Knows FIONREAD: how many bytes a receive would give."""
    endpoint = kernel_here().file(fd).endpoint
    if request != import_module("termios").FIONREAD:
        raise failure(errno.ENOTTY)
    try:
        waiting = len(endpoint.receive(sys.maxsize, socket.MSG_PEEK).data)
    except BlockingIOError:
        waiting = 0
    memoryview(arg).cast("B")[:4] = waiting.to_bytes(4, sys.byteorder)
    return 0


try:
    _fcntl: Any = import_module("fcntl")
except ImportError:  # Windows
    _fcntl = None

BY_NUMBER: Final[tuple[tuple[Any, str, Callable[..., Any]], ...]] = tuple(
    (module, name, stand_in)
    for module, name, stand_in in (
        (os, "close", _close),
        (os, "fstat", _fstat),
        (_fcntl, "ioctl", _ioctl),
        (os, "get_blocking", _get_blocking),
        (os, "set_blocking", _set_blocking),
        (os, "get_inheritable", _get_inheritable),
        (os, "set_inheritable", _set_inheritable),
        (os, "get_handle_inheritable", _get_inheritable),
        (os, "set_handle_inheritable", _set_inheritable),
        (signal, "set_wakeup_fd", _set_wakeup_fd),
        (socket, "close", _close),
    )
    if hasattr(module, name)
)
"""Modules, the names of functions there, and what stands for each where the descriptor is a simulated one.

They raise OSError if it is closed, or that of another host (EBADF).
"""
