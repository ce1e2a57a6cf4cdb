"""Connecting without blocking: beginning it, and asking whether it is done.

connect(2) has many ways to say "not yet", and a report that the socket is writable is a hint only: it may
come before anything is decided, and comes for a failure as well.
"""

from __future__ import annotations

import errno
import select
import socket

from netcore._platform import AF_UNIX
from netcore.sockets.options import SocketOptions
from netcore.sockets.resolving import Endpoint

__all__ = ["begin_connect", "connect_result"]

_UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY})
"""What connect(2) says of a connection that is being made; EWOULDBLOCK only where it is WSAEWOULDBLOCK."""

_POLLOUT: int = getattr(select, "POLLOUT", 0)  # not on Windows, which has no poll(2) either

_NOT_CONNECTED = frozenset({errno.ENOTCONN, errno.EINPROGRESS})


def begin_connect(endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[socket.socket | None, int]:
    """Does what ``Sockets.connect`` is to do, up to attaching.

    Args:
        endpoint: See ``Sockets.connect``, as for the rest.
        kind: SOCK_STREAM or SOCK_DGRAM.
        options: Set on the socket before it is connected.

    Returns:
        The socket, and 0 or -EINPROGRESS; or None and the negative errno.
    """
    try:
        sock = socket.socket(endpoint.family, kind)
    except OSError as error:
        return None, _code(error, endpoint.family)
    try:
        sock.setblocking(False)
        options.apply(sock)
        code = _meaning(-sock.connect_ex(endpoint.name), endpoint.family)
    except OSError as error:
        code = _code(error, endpoint.family)
    except BaseException:
        sock.close()
        raise
    if code in (0, -errno.EINPROGRESS):
        return sock, code
    sock.close()
    return None, code


def _meaning(code: int, family: int) -> int:
    """Gives each outcome of connect(2) one name."""
    if code == -errno.EAGAIN:
        # Of a Unix socket: the backlog is full, and nothing is under way (unix(7)). Of others: no local port
        # is free (connect(2) of FreeBSD; on Linux for datagrams), which has a name of its own elsewhere.
        return code if family == AF_UNIX else -errno.EADDRNOTAVAIL
    return -errno.EINPROGRESS if -code in _UNDER_WAY else code


def _code(error: OSError, family: int) -> int:
    """The negative errno of an error; the standard library has some of its own, without one.

    These are a Unix path that is too long, and a host that is no address.
    """
    code = error.errno or 0
    if code > 0:
        return -code
    return -errno.ENAMETOOLONG if family == AF_UNIX else -errno.EINVAL


def connect_result(sock: socket.socket) -> int:
    """Does what ``Sockets.connected`` is to do."""
    try:
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0:
            sock.getpeername()
    except OSError as error:
        if error.errno in _NOT_CONNECTED:
            # What was reset as soon as it was connected is not connected any more, and may have no error to
            # tell, as on Windows. It is reported for ever, unlike what is under way.
            return -errno.ECONNRESET if _is_reported(sock) else -errno.EINPROGRESS
        # BSD says EINVAL of a socket that was reset in the very moment: the first receive will tell.
        return 0 if error.errno == errno.EINVAL else -(error.errno or errno.EIO)
    return -code


def _is_reported(sock: socket.socket) -> bool:
    """Whether a socket is writable or failed; poll(2), or select(2) where there is nothing else."""
    make_poll = getattr(select, "poll", None)
    if make_poll is None:
        return any(select.select([], [sock], [sock], 0))
    poll = make_poll()
    poll.register(sock, _POLLOUT)
    return bool(poll.poll(0))
