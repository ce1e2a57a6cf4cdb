"""The files of Unix sockets on a simulated host: there is no other part of a file system here."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

from netcore.testing.simulation.net.failures import failure

__all__ = ["SocketFile", "SocketFiles"]


@dataclass
class SocketFile:
    """A file that a Unix socket is bound to, or was.

    Attributes:
        number: What tells it from others, as an inode's number does.
        endpoint: The socket; it may have been closed.
        mode: The permissions.
    """

    number: int
    endpoint: object
    mode: int = 0o755


class SocketFiles:
    """The files of Unix sockets on one host, by absolute path. They stay over a crash, as files do."""

    def __init__(self) -> None:
        self._files: dict[str, SocketFile] = {}
        self._made = 0

    def get(self, path: str) -> SocketFile | None:
        """Returns what is at a path; None for nothing."""
        return self._files.get(os.path.abspath(path))

    def make(self, path: str, endpoint: object) -> SocketFile:
        """Makes a file.

        Raises:
            OSError: There is one (EADDRINUSE, as bind(2) says it).
        """
        if path in self._files:
            raise failure(errno.EADDRINUSE)
        self._made += 1
        made = self._files[path] = SocketFile(self._made, endpoint)
        return made

    def remove(self, path: str) -> None:
        """Removes a file, see unlink(2).

        Raises:
            OSError: There is none (ENOENT).
        """
        if self._files.pop(os.path.abspath(path), None) is None:
            raise failure(errno.ENOENT)
