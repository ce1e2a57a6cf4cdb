"""The poller that runs anywhere: poll(2) or select(2) of the standard library, and a socket pair to wake.

It is the reference for the others and the fallback without native code. Both system calls scan every
descriptor on every wait, so it is for small numbers of them. poll(2) is taken where it exists, because
select(2) cannot watch descriptors from 1024 on (on Windows: more than 512 sockets, its waker included).
"""

from __future__ import annotations

import errno
import math
import os
import select
import signal
import socket
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

from netcore._durations import seconds, waitable
from netcore._platform import FACTS, NO_SIGNAL, SELECT_LIMIT
from netcore._signals import hears_signals
from netcore.poll.protocol import Interest, Readiness
from netcore.poll.users import CLOSED, Users

__all__ = ["SelectPoller"]

_READ, _WRITE, _EDGE = int(Interest.READ), int(Interest.WRITE), int(Interest.EDGE)
_READABLE, _WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)
_HANGUP, _ERROR = int(Readiness.HANGUP), int(Readiness.ERROR)


_WAKE = b"\0"
"""What wakes and is no signal's number."""

_LONGEST = 2e6
"""Seconds of the longest wait: poll(2) takes its milliseconds as an int, and waiting again costs nothing."""

_POLLIN, _POLLOUT, _POLLERR, _POLLHUP = (
    getattr(select, name, 0) for name in ("POLLIN", "POLLOUT", "POLLERR", "POLLHUP")
)


class _PollObject(Protocol):
    """What the standard library's ``select.poll`` makes, where there is one."""

    def register(self, fd: int, eventmask: int, /) -> None: ...
    def unregister(self, fd: int, /) -> None: ...
    def poll(self, timeout: float | None, /) -> list[tuple[int, int]]: ...


class _PollScan:
    """Scans with poll(2)."""

    def __init__(self, poll: _PollObject) -> None:
        self._poll = poll

    def watch(self, fd: int, interest: int) -> None:
        mask = (_POLLIN if interest & _READ else 0) | (_POLLOUT if interest & _WRITE else 0)
        self._poll.register(fd, mask)

    def forget(self, fd: int) -> None:
        self._poll.unregister(fd)

    def scan(self, timeout: float | None) -> list[tuple[int, int]]:
        # Rounded up: a wait of 0.3 ms as 0 ms would spin.
        milliseconds = None if timeout is None else math.ceil(min(timeout, _LONGEST) * 1e3)
        return [(fd, _from_poll(mask)) for fd, mask in self._poll.poll(milliseconds)]


def _from_poll(mask: int) -> int:
    return (
        (_READABLE if mask & _POLLIN else 0)
        | (_WRITABLE if mask & _POLLOUT else 0)
        | (_HANGUP if mask & _POLLHUP else 0)
        | (_ERROR if mask & _POLLERR else 0)
    )


class _SelectScan:
    """Scans with select(2).

    A failed non-blocking connect is "exceptional" on Windows only. Urgent data are, too, and stay so until
    somebody asks for them, which nobody does; so what is exceptional is told once for each call of ``watch``.
    """

    def __init__(self) -> None:
        self._readers: set[int] = set()
        self._writers: set[int] = set()
        self._unsure: set[int] = set()  # the writers that have not been exceptional

    def watch(self, fd: int, interest: int) -> None:
        for wanted, fds in ((_READ, self._readers), (_WRITE, self._writers), (_WRITE, self._unsure)):
            if interest & wanted:
                fds.add(fd)
            else:
                fds.discard(fd)

    def forget(self, fd: int) -> None:
        self._readers.discard(fd)
        self._writers.discard(fd)
        self._unsure.discard(fd)

    def scan(self, timeout: float | None) -> list[tuple[int, int]]:
        bounded = None if timeout is None else min(timeout, _LONGEST)
        try:
            readable, writable, failed = select.select(self._readers, self._writers, self._unsure, bounded)
        except OSError:
            closed = [fd for fd in self._readers | self._writers if not _is_open(fd)]
            if not closed:
                raise
            return [(fd, 0) for fd in closed]  # as poll(2) tells it
        found: dict[int, int] = dict.fromkeys(readable, _READABLE)
        for fd in writable:
            found[fd] = found.get(fd, 0) | _WRITABLE
        self._unsure.difference_update(failed)
        for fd in failed:
            found[fd] = found.get(fd, 0) | _ERROR
        return list(found.items())


class SelectPoller:
    """Readiness from the standard library's ``select`` module, level-triggered only."""

    name = "select"
    supports_edge = False

    def __init__(self) -> None:
        """Opens the socket pair that ``wake`` writes to.

        Raises:
            OSError: No descriptor is left.
        """
        self._interests: dict[int, int] = {}
        make_poll = getattr(select, "poll", None)
        self._scan: _PollScan | _SelectScan = _PollScan(make_poll()) if make_poll else _SelectScan()
        self._closed = False
        self._former = -1
        self._waker, self._woken = pair = socket.socketpair()
        self._users = Users(partial(_close, pair))
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._woken_fd = self._woken.fileno()
        self._scan.watch(self._woken_fd, _READ)

    def register(self, fd: int, interest: int) -> None:
        """See ``Poller.register``; ``ValueError`` also for an edge-triggered interest."""
        self._check_open(interest)
        if fd in self._interests:
            raise FileExistsError(errno.EEXIST, f"descriptor {fd} is registered already")
        _check_descriptor(fd)
        if SELECT_LIMIT and len(self._interests) + 1 >= SELECT_LIMIT:
            text = f"select watches {SELECT_LIMIT} sockets at most here, of which one is the poller's own"
            raise OSError(errno.EMFILE, text)
        self._interests[fd] = interest
        self._scan.watch(fd, interest)

    def modify(self, fd: int, interest: int) -> None:
        """See ``Poller.modify``."""
        self._check_open(interest)
        if fd not in self._interests:
            raise FileNotFoundError(errno.ENOENT, f"descriptor {fd} is not registered")
        self._interests[fd] = interest
        self._scan.watch(fd, interest)

    def unregister(self, fd: int) -> None:
        """See ``Poller.unregister``."""
        self._check_open(0)
        if self._interests.pop(fd, None) is None:
            raise FileNotFoundError(errno.ENOENT, f"descriptor {fd} is not registered")
        self._scan.forget(fd)

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        """See ``Poller.wait``."""
        self._check_open(0)
        if timeout is not None:
            timeout = waitable(seconds(timeout, "a timeout"))
        events = []
        for fd, readiness in self._scan_until_signal(timeout):
            if fd == self._woken_fd:
                self._drain()
            elif readiness:
                events.append((fd, readiness))
            else:  # POLLNVAL: closed without being unregistered, which epoll forgives, and so do we
                self.unregister(fd)
        return events

    def _scan_until_signal(self, timeout: float | None) -> list[tuple[int, int]]:
        """Scans; on the main thread a signal counts as a wake.

        The standard library repeats an interrupted poll(2) by itself (PEP 475), so it must find
        something readable then: the byte that the interpreter writes to the waker. It is the signal's number,
        and passed on to whoever would have had it.
        """
        if timeout == 0 or not hears_signals():
            return self._scan.scan(timeout)
        self._former = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        try:
            return self._scan.scan(timeout)
        finally:
            signal.set_wakeup_fd(self._former)

    def wake(self) -> None:
        """See ``Poller.wake``. Any thread."""
        with self._users as is_open:
            if not is_open:
                raise ValueError(CLOSED)
            with suppress(BlockingIOError):  # so many are pending that the buffer is full; one is enough
                self._waker.send(_WAKE, NO_SIGNAL)

    def close(self) -> None:
        """See ``Poller.close``."""
        if not self._closed:
            self._closed = True
            self._users.shut()

    def abandon(self) -> None:
        """Closes this process's copies of the descriptors, in a forked child; see ``Poller``."""
        if not self._closed:
            self._closed = True
            self._users.evict()

    def _check_open(self, interest: int) -> None:
        if self._closed:
            raise ValueError(CLOSED)
        if interest & _EDGE:
            raise ValueError("the select poller is level-triggered only: it cannot watch with EDGE")

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            while woken := self._woken.recv(4096):
                signals = woken.replace(_WAKE, b"")
                if signals and self._former >= 0:
                    _pass_on(self._former, signals)


def _pass_on(fd: int, signals: bytes) -> None:
    """Writes signals' numbers to a descriptor that somebody has given to ``signal.set_wakeup_fd``.

    It does not block, or was refused there; and it is full, or closed by now, at its owner's peril.
    """
    with suppress(OSError):
        if FACTS.sockets_are_handles:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fd)
            try:
                sock.send(signals)
                return
            except OSError as error:
                if error.errno != errno.ENOTSOCK:
                    return
            finally:
                sock.detach()
        os.write(fd, signals)


def _close(socks: Iterable[socket.socket]) -> None:
    for sock in socks:
        sock.close()


def _is_open(fd: int) -> bool:
    try:
        _check_descriptor(fd)
    except OSError:
        return False
    return True


def _check_descriptor(fd: int) -> None:
    """Raises EBADF as the kernel's own registries would; poll(2) would only complain on every wait.

    A file or a directory is EPERM, as epoll_ctl(2) has it: poll(2) says that it is always ready.
    """
    if fd < 0 or not FACTS.sockets_are_handles:
        mode = os.fstat(fd).st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            raise PermissionError(errno.EPERM, f"descriptor {fd} is a file, which is always ready")
        return
    probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fd)  # asked for nothing but what follows
    try:
        probe.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
    finally:
        probe.detach()
