"""A poller without a kernel: the test says what is ready."""

from __future__ import annotations

import errno
import itertools
import threading
from collections.abc import Sequence

from netcore._durations import seconds, waitable
from netcore.poll import Interest, Readiness
from netcore.testing.clock import ManualClock

__all__ = ["FakePair", "FakePoller"]

_BATCH = 256

# Plain numbers: a wait looks at every descriptor, and each operation on a flag makes an object.
_UNASKED = int(Readiness.HANGUP | Readiness.ERROR)
_READ, _WRITE, _EDGE = int(Interest.READ), int(Interest.WRITE), int(Interest.EDGE)
_READABLE, _WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)


class FakePoller:
    """Implements ``Poller`` on a table of what is ready, level- and edge-triggered.

    Args:
        clock: With a manual clock, a wait for which nothing is ready moves the clock on by its timeout
            instead of sleeping, and one without a timeout fails the test, since it would never end.
    """

    name = "fake"
    supports_edge = True

    def __init__(self, clock: ManualClock | None = None) -> None:
        self._clock = clock
        self._interests: dict[int, int] = {}
        self._ready: dict[int, int] = {}
        self._edges: dict[int, int] = {}
        self._gone: set[int] = set()
        self._changed = threading.Condition()
        self._woken = False
        self._closed = False
        self._next_fd = itertools.count(1_000_000)

    @property
    def interests(self) -> dict[int, int]:
        """What is registered, and for what."""
        return dict(self._interests)

    def set_ready(self, fd: int, readiness: int) -> None:
        """Adds to what a descriptor is ready for, which is a new edge as well. Any thread."""
        readiness = int(readiness)
        with self._changed:
            self._gone.discard(fd)
            self._ready[fd] = self._ready.get(fd, 0) | readiness
            self._edges[fd] = self._edges.get(fd, 0) | readiness
            self._changed.notify_all()

    def clear_ready(self, fd: int, readiness: int) -> None:
        """Takes away from what a descriptor is ready for. Any thread."""
        with self._changed:
            self._ready[fd] = self._ready.get(fd, 0) & ~int(readiness)

    def forget(self, fd: int) -> None:
        """Does what a kernel does when a descriptor is closed. Any thread."""
        with self._changed:
            self._gone.add(fd)
            for table in (self._interests, self._ready, self._edges):
                table.pop(fd, None)

    def open_pair(self) -> FakePair:
        """Makes a descriptor for ``check_poller`` to play with, writable at first."""
        pair = FakePair(self, next(self._next_fd))
        self.set_ready(pair.fd, Readiness.WRITABLE)
        return pair

    def register(self, fd: int, interest: int) -> None:
        """See ``Poller.register``."""
        self._check_open()
        if fd < 0 or fd in self._gone:
            raise OSError(errno.EBADF, f"{fd} is no open descriptor")
        if fd in self._interests:
            raise FileExistsError(errno.EEXIST, f"descriptor {fd} is registered already")
        self._watch(fd, interest)

    def modify(self, fd: int, interest: int) -> None:
        """See ``Poller.modify``."""
        self._check_registered(fd)
        self._watch(fd, interest)

    def unregister(self, fd: int) -> None:
        """See ``Poller.unregister``."""
        self._check_registered(fd)
        with self._changed:
            del self._interests[fd]

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        """See ``Poller.wait``."""
        self._check_open()
        if timeout is not None:
            timeout = waitable(seconds(timeout, "a timeout"))
        with self._changed:
            if self._clock is None:
                self._changed.wait_for(lambda: self._woken or self._collect(peek=True), timeout)
            elif not self._woken and not self._collect(peek=True):
                if timeout is None:
                    raise AssertionError(
                        "the loop would wait for ever: nothing is ready and no timer is armed"
                    )
                self._clock.advance(timeout)
            self._woken = False
            return self._collect(peek=False)

    def wake(self) -> None:
        """See ``Poller.wake``."""
        self._check_open()
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        """See ``Poller.close``."""
        self._closed = True

    def _watch(self, fd: int, interest: int) -> None:
        with self._changed:
            self._interests[fd] = int(interest)
            self._edges[fd] = self._ready.get(fd, 0)  # as in epoll(7): a change arms the edge anew

    def _collect(self, peek: bool) -> list[tuple[int, int]]:
        events: list[tuple[int, int]] = []
        for fd, interest in self._interests.items():
            source = self._edges if interest & _EDGE else self._ready
            found = source.get(fd, 0) & (_wanted(interest) | _UNASKED)
            if found and len(events) < _BATCH:
                events.append((fd, found))
        if not peek:
            for fd, found in events:
                self._edges[fd] = self._edges.get(fd, 0) & ~found
            self._rotate(events)
        return events

    def _rotate(self, events: list[tuple[int, int]]) -> None:
        """Puts what was reported behind the rest, so that a full batch starves nobody."""
        for fd, _ in events:
            self._interests[fd] = self._interests.pop(fd)

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("the poller is closed")

    def _check_registered(self, fd: int) -> None:
        self._check_open()
        if fd not in self._interests:
            raise FileNotFoundError(errno.ENOENT, f"descriptor {fd} is not registered")


def _wanted(interest: int) -> int:
    return (_READABLE if interest & _READ else 0) | (_WRITABLE if interest & _WRITE else 0)


class FakePair:
    """A descriptor of a ``FakePoller``, and the peer that makes it ready."""

    def __init__(self, poller: FakePoller, fd: int) -> None:
        self.fd = fd
        self._poller = poller
        self._hung_up = False

    def make_readable(self) -> None:
        """The peer sends."""
        self._poller.set_ready(self.fd, Readiness.READABLE)

    def drain(self) -> None:
        """This side has received everything. The end of a stream stays readable."""
        if not self._hung_up:
            self._poller.clear_ready(self.fd, Readiness.READABLE)

    def fill(self) -> None:
        """This side has sent until the kernel took no more."""
        self._poller.clear_ready(self.fd, Readiness.WRITABLE)

    def hang_up(self) -> None:
        """The peer closes."""
        self._hung_up = True
        self._poller.set_ready(self.fd, Readiness.READABLE | Readiness.HANGUP)

    def close(self) -> None:
        """This side closes."""
        self._poller.forget(self.fd)
