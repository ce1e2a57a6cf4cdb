"""Sending a part of a file, by sendfile(2) where that works and by reading it where not."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager

from netcore._platform import NO_SIGNAL, SENDFILE, read_at
from netcore.sockets.sigpipe import without_sigpipe

__all__ = ["send_file"]

_PIECE = 65536
"""Bytes of a file brought to memory at once where the kernel cannot send it from where it is."""

_CANNOT = frozenset(
    getattr(errno, name, None) for name in ("EBADF", "EINVAL", "ENOSYS", "ENOTSOCK", "ENOTSUP", "EOPNOTSUPP")
)
"""What sendfile(2) says of file systems and socket families that it does not serve, and of simulated sockets.

These have descriptors that the system does not know (EBADF); what is closed says so once more.
"""

_WOULD_BLOCK = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ENOBUFS)


def send_file(
    borrow: Callable[[int], AbstractContextManager[socket.socket]],
    fd: int,
    file: int,
    offset: int,
    count: int,
) -> int:
    """Does what ``Transport.sendfile`` is to do.

    Args:
        borrow: Lends a socket object for ``fd``.
        fd: See ``Transport.sendfile``, as for the rest.
        file: The file's descriptor.
        offset: Where in the file to begin.
        count: Bytes to send at most.
    """
    try:
        if SENDFILE is not None:
            try:
                return without_sigpipe(SENDFILE, fd, file, offset, count)
            except OSError as error:
                if error.errno not in _CANNOT:
                    raise
        data = read_at(file, min(count, _PIECE), offset)
        if not data:
            return 0
        with borrow(fd) as sock:
            sock.setblocking(False)  # whatever socket.setdefaulttimeout() says
            return sock.send(data, NO_SIGNAL)
    except OSError as error:
        code = error.errno or errno.EIO
        return -errno.EAGAIN if code in _WOULD_BLOCK else -code
