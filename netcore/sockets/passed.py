"""Descriptors that a Unix peer has passed before anybody could forbid it."""

from __future__ import annotations

import array
import os
import socket
import threading
from collections import deque
from contextlib import suppress
from importlib import import_module
from typing import Any

from netcore._locks import make_lock
from netcore._machine import current
from netcore._platform import AF_UNIX, MSG_CMSG_CLOEXEC, linger_of, pack_linger
from netcore.sockets.objects import socket_of

__all__ = ["take_passed"]

_socket: Any = socket  # whose flags and methods differ between the platforms

_MOST = 253
"""Descriptors in one message; SCM_MAX_FD of unix(7)."""


def take_passed(sock: socket.socket) -> bytes:
    """Receives what waits in a Unix socket, and closes the descriptors that came with it.

    Plain receiving would have the kernel close them, which takes as long as the longest of these closes: that
    of a socket with SO_LINGER waits. To be called once the peer can pass no more, see ``guard``.

    Returns:
        The bytes that waited; of another socket none.
    """
    if sock.family != AF_UNIX or current().facts.pass_rights is None:
        return b""
    flags = _socket.MSG_DONTWAIT | MSG_CMSG_CLOEXEC
    room = _socket.CMSG_SPACE(_MOST * array.array("i").itemsize)
    received = b""
    peer: Any = sock
    with suppress(BlockingIOError):
        left = _waiting(sock)  # what comes behind brings no descriptors any more
        while left > 0:
            data, passed, _, _ = peer.recvmsg(left, room, flags)
            _close(passed)
            left = left - len(data) if data else 0
            received += data
    return received


def _waiting(sock: socket.socket) -> int:
    """Returns how many bytes wait; SIOCINQ of unix(7), which has the number of FIONREAD."""
    count = array.array("i", [0])
    import_module("fcntl").ioctl(sock, import_module("termios").FIONREAD, count)  # which Windows lacks
    return count[0]


def _close(passed: list[tuple[int, int, bytes]]) -> None:
    for level, kind, data in passed:
        if level == socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            whole = array.array("i")
            whole.frombytes(data[: len(data) - len(data) % whole.itemsize])
            for fd in whole:
                _close_without_waiting(fd)


def _close_without_waiting(fd: int) -> None:
    try:
        sock = socket_of(fd)
    except OSError:  # something else
        os.close(fd)
        return
    if sock.family == AF_UNIX:
        _aside.close(sock)
        return
    with sock, suppress(OSError):
        if linger_of(sock):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(-1))


class _Aside:
    """Closes on a thread of its own what may hold descriptors in turn, which the kernel closes with it.

    What a passed Unix socket holds cannot be taken out of it: it may still be somebody else's, too.
    """

    def __init__(self) -> None:
        self._lock = make_lock()
        self._waiting: deque[socket.socket] = deque()
        self._thread: threading.Thread | None = None

    def close(self, sock: socket.socket) -> None:
        """Closes a socket soon; at once where no thread can be started. Any thread."""
        with self._lock:
            self._waiting.append(sock)
            if self._thread is not None and self._thread.is_alive():  # it is not in a forked child
                return
            self._thread = threading.Thread(target=self._work, name="netcore-close", daemon=True)
            try:
                self._thread.start()
                return
            except RuntimeError:  # a limit of the system's
                self._thread = None
        self._work()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                sock = self._waiting.popleft()
            sock.close()


_aside = _Aside()
