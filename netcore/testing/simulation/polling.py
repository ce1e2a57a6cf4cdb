"""``select.poll`` and ``select.select`` on a simulated host, for its sockets and what else is open."""

from __future__ import annotations

import math
import select
from collections.abc import Callable, Iterable
from typing import Any

from netcore.poll import Readiness
from netcore.testing.simulation import current
from netcore.testing.simulation.net.descriptors import FIRST_DESCRIPTOR
from netcore.testing.simulation.net.handles import kernel_here

__all__ = ["simulated_poll", "simulated_select"]

_READABLE, _WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)
_HANGUP, _ERROR = int(Readiness.HANGUP), int(Readiness.ERROR)

_IN, _OUT = getattr(select, "POLLIN", 1), getattr(select, "POLLOUT", 4)
_ERR, _HUP, _INVALID = (getattr(select, name, 0) for name in ("POLLERR", "POLLHUP", "POLLNVAL"))

_MASKS = ((_READABLE, _IN), (_WRITABLE, _OUT), (_HANGUP, _HUP), (_ERROR, _ERR))


def _readiness(fd: int) -> int:
    """Returns the readiness of a socket of the host whose code runs; OSError if there is none."""
    return kernel_here().endpoint(fd).readiness()


def _number(file: Any) -> int:
    number = file if isinstance(file, int) else file.fileno()
    if not isinstance(number, int):
        raise TypeError("argument must be an int, or have a fileno() method")
    if number < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({number})")
    return number


class _Poll:
    """What ``select.poll`` makes.

    Args:
        real: That of the system, for descriptors that are no simulated sockets.
    """

    def __init__(self, real: Any) -> None:
        self._real = real
        self._masks: dict[int, int] = {}

    def register(self, fd: Any, eventmask: int = _IN | _OUT | getattr(select, "POLLPRI", 0), /) -> None:
        number = _number(fd)
        if number < FIRST_DESCRIPTOR:
            self._real.register(number, eventmask)
        else:
            self._masks[number] = eventmask

    def modify(self, fd: Any, eventmask: int, /) -> None:
        number = _number(fd)
        if number < FIRST_DESCRIPTOR:
            self._real.modify(number, eventmask)
        elif number in self._masks:
            self._masks[number] = eventmask
        else:
            raise FileNotFoundError(2, "No such file or directory")

    def unregister(self, fd: Any, /) -> None:
        number = _number(fd)
        if number < FIRST_DESCRIPTOR:
            self._real.unregister(number)
        else:
            del self._masks[number]

    def poll(self, timeout: float | None = None, /) -> list[tuple[int, int]]:
        found = self._find()
        if found or timeout == 0:
            return found
        patience = None if timeout is None or timeout < 0 else timeout / 1000
        current.wait(lambda: bool(self._find()), patience, "select.poll to find something")
        return self._find()

    def _find(self) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = self._real.poll(0)
        for fd, mask in self._masks.items():
            try:
                readiness = _readiness(fd)
            except OSError:
                ready = _INVALID
            else:
                ready = sum(bit for each, bit in _MASKS if readiness & each) & (mask | _ERR | _HUP)
            if ready:
                found.append((fd, ready))
        return found


def simulated_poll(before: Callable[[], Any]) -> Callable[[], Any]:
    """Makes what ``select.poll`` is on the thread of a world."""
    return lambda: _Poll(before())


def simulated_select(before: Callable[..., Any]) -> Callable[..., Any]:
    """Makes what ``select.select`` is on the thread of a world."""

    def chosen(
        rlist: Iterable[Any], wlist: Iterable[Any], xlist: Iterable[Any], timeout: float | None = None, /
    ) -> tuple[list[Any], list[Any], list[Any]]:
        if timeout is not None and not timeout >= 0:
            raise ValueError("timeout must be non-negative")
        lists = [list(each) for each in (rlist, wlist, xlist)]
        wanted = (_READABLE | _HANGUP | _ERROR, _WRITABLE | _ERROR, 0)  # as the kernel's select does

        def find() -> tuple[list[Any], list[Any], list[Any]]:
            reals = [[each for each in files if _number(each) < FIRST_DESCRIPTOR] for files in lists]
            found = [list(each) for each in before(*reals, 0)] if any(reals) else [[], [], []]
            for files, ready, mask in zip(lists, found, wanted, strict=True):
                ready += [
                    each
                    for each in files
                    if (number := _number(each)) >= FIRST_DESCRIPTOR and _readiness(number) & mask
                ]
            return found[0], found[1], found[2]

        found = find()
        if any(found) or timeout == 0:
            return found
        patience = None if timeout is None or timeout == math.inf else timeout
        current.wait(lambda: any(find()), patience, "select.select to find something")
        return find()

    return chosen
