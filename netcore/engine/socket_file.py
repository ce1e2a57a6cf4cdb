"""The files of Unix sockets: who made one removes it, unless it is somebody else's by then."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress

from netcore._platform import AF_UNIX

__all__ = ["SocketFile", "remove_dead"]


class SocketFile:
    """The file of a Unix listener, with the duty to remove it when the listener has been closed.

    Args:
        path: Where it is; a relative path is made absolute, since the current directory may change.
        shared: See the attribute.
        ours: False as long as the duty is not certain: removing the file then waits for ``adopt``.

    Attributes:
        shared: Whether others may listen on the same socket. The file stays as long as one of them does, and
            the duty with it: of those who have it the last one to close finds nobody else.

    Raises:
        OSError: There is no such file.
    """

    def __init__(self, path: str, shared: bool = False, ours: bool = True) -> None:
        self.shared = shared
        self._path = os.path.abspath(path)
        self._made = os.lstat(path)
        self._ours = ours
        self._closed = False

    def remove(self) -> None:
        """Removes the file, unless another one has taken its place. The listener has been closed."""
        # Set before the other flag is read, and in adopt() likewise: of two threads one sees both.
        self._closed = True
        if self._ours:
            with suppress(OSError):
                # A path that is too long for connect(2) cannot be asked about: its file stays.
                if not self.shared or _is_dead(self._path):
                    _unlink_same(self._path, self._made)

    def adopt(self) -> None:
        """Makes the duty certain, and fulfils it if the listener has been closed in the meantime."""
        self._ours = True
        if self._closed:
            self.remove()


def remove_dead(path: str) -> None:
    """Removes a socket file that a dead server has left; anything else stays, and makes bind(2) fail."""
    with suppress(FileNotFoundError):
        found = os.lstat(path)
        if _is_dead(path):
            _unlink_same(path, found)


def _is_dead(path: str) -> bool:
    """Whether no open socket is bound to a file, be it a socket's or not.

    The question is put by a datagram socket, so that whoever listens there gets no connection by it: the
    kernel looks for the socket first (ECONNREFUSED) and at its type then (EPROTOTYPE; connect(2), unix(7)).
    """
    with socket.socket(AF_UNIX, socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path) == errno.ECONNREFUSED


def _unlink_same(path: str, known: os.stat_result) -> None:
    """Unlinks a socket's file unless another one, or none, stands under its name by now."""
    with suppress(FileNotFoundError):
        now = os.lstat(path)
        same = (now.st_dev, now.st_ino) == (known.st_dev, known.st_ino)
        if same and stat.S_ISSOCK(now.st_mode):
            os.unlink(path)
