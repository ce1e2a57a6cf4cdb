"""What ``os`` tells of the files of Unix sockets that simulated hosts have made."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netcore.testing.simulation import current
from netcore.testing.simulation.net.handles import kernel_here
from netcore.testing.simulation.net.kernel import Kernel

if TYPE_CHECKING:
    from netcore.testing.simulation.net.files import SocketFile

__all__ = ["FUNCTIONS"]

_DEVICE = 0x5EED
"""The number of the device that all such files are on."""


def _found(path: object) -> SocketFile | None:
    """Returns the socket's file at a path of the host whose code runs; None if there is no such file."""
    kernel = current.kernel_or_none()
    if not isinstance(kernel, Kernel) or not isinstance(path, (str, bytes, os.PathLike)):
        return None
    return kernel.files.get(os.fsdecode(path))


def _stat(before: Callable[..., Any]) -> Callable[..., Any]:
    def stat_of(path: Any, *args: Any, **named: Any) -> Any:
        found = _found(path)
        if found is None:
            return before(path, *args, **named)
        return os.stat_result((stat.S_IFSOCK | found.mode, found.number, _DEVICE, 1, 0, 0, 0, 0, 0, 0))

    return stat_of


def _remove(before: Callable[..., Any]) -> Callable[..., Any]:
    def remove(path: Any, *args: Any, **named: Any) -> None:
        if _found(path) is None:
            before(path, *args, **named)
        else:
            kernel_here().files.remove(os.fsdecode(path))

    return remove


def _chmod(before: Callable[..., Any]) -> Callable[..., Any]:
    def chmod(path: Any, mode: int, *args: Any, **named: Any) -> None:
        found = _found(path)
        if found is None:
            before(path, mode, *args, **named)
        else:
            found.mode = stat.S_IMODE(mode)

    return chmod


FUNCTIONS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "chmod": _chmod,
    "lstat": _stat,
    "remove": _remove,
    "stat": _stat,
    "unlink": _remove,
}
"""By the name of a function of ``os``, what makes of it one that knows these files, too."""
