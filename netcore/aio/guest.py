"""A poller over a loop of netcore: a wait is a turn of that loop."""

from __future__ import annotations

import errno
import threading
from collections.abc import Sequence
from contextlib import suppress

from netcore._durations import seconds, waitable
from netcore.eventloop import Loop

__all__ = ["LoopPoller"]


class _Noted:
    """A watcher that notes down what its descriptor is ready for."""

    __slots__ = ("_fd", "_found")

    def __init__(self, fd: int, found: dict[int, int]) -> None:
        self._fd = fd
        self._found = found

    def __repr__(self) -> str:
        return f"<descriptor {self._fd} of the loop's guest>"

    def ready(self, readiness: int) -> None:
        """See ``Watcher.ready``."""
        self._found[self._fd] = self._found.get(self._fd, 0) | readiness

    def fault(self, error: Exception) -> None:
        """See ``Payer.fault``; who watches the descriptor finds out by itself."""


class LoopPoller:
    """Implements ``Poller`` on a loop: ``EventLoop(LoopPoller(loop))`` is an asyncio loop on its thread.

    ``wait`` takes a turn, in which the connections of the loop are served as ever. It ends with the turn, for
    whatever reason that was. When the loop has ended, descriptors are not watched any more, but wakes and
    times still end waits.

    Args:
        loop: Whose turns are to be taken, claimed by the thread that waits (``Loop.claim``). Who closes the
            poller has no part in it but for his descriptors, and closes the loop himself.
    """

    def __init__(self, loop: Loop) -> None:
        self.name: str = f"loop over {loop.poller.name}"
        self.supports_edge: bool = loop.poller.supports_edge
        self._loop = loop
        self._watchers: dict[int, _Noted] = {}
        self._found: dict[int, int] = {}
        self._woken = threading.Event()
        self._closed = False

    def register(self, fd: int, interest: int) -> None:
        """See ``Poller.register``."""
        self._check_open()
        loop = self._loop
        if fd in self._watchers or fd in loop.watchers:
            raise FileExistsError(errno.EEXIST, f"descriptor {fd} is registered already")
        watcher = _Noted(fd, self._found)
        if not loop.ended:
            loop.watchers.attend(fd, watcher, interest)
        self._watchers[fd] = watcher

    def modify(self, fd: int, interest: int) -> None:
        """See ``Poller.modify``."""
        self._check_registered(fd)
        if not self._loop.ended:
            self._loop.watchers.change(fd, interest)

    def unregister(self, fd: int) -> None:
        """See ``Poller.unregister``."""
        self._check_registered(fd)
        self._forget(fd)

    def _forget(self, fd: int) -> None:
        del self._watchers[fd]
        self._found.pop(fd, None)
        if not self._loop.ended:
            self._loop.watchers.neglect(fd)

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        """See ``Poller.wait``."""
        self._check_open()
        if self._loop.ended:
            self._woken.wait(None if timeout is None else waitable(seconds(timeout, "a timeout")))
            self._woken.clear()
            return ()
        self._loop.turn(timeout)
        if not self._found:
            return ()
        events = list(self._found.items())
        self._found.clear()
        return events

    def wake(self) -> None:
        """See ``Poller.wake``."""
        self._check_open()
        with suppress(ValueError):  # it is closed
            self._loop.poller.wake()
        if self._loop.ended:  # asked behind that, since it may have ended in the meantime
            self._woken.set()

    def close(self) -> None:
        """See ``Poller.close``; on the loop's thread, unless the loop has ended or not begun."""
        self._closed = True
        for fd in list(self._watchers):
            self._forget(fd)

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("the poller is closed")

    def _check_registered(self, fd: int) -> None:
        self._check_open()
        if fd not in self._watchers:
            raise FileNotFoundError(errno.ENOENT, f"descriptor {fd} is not registered")
