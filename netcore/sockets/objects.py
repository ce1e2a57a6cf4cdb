"""Socket objects of the standard library for descriptors that are open already.

Without a family the standard library asks getsockname(2), which the BSDs refuse (EINVAL) as soon as the peer
has reset the connection; so it is told the family and the type, by options that last as long as the socket.
"""

from __future__ import annotations

import errno
import socket

from netcore._platform import AF_UNIX, FACTS, SO_DOMAIN, socket_over

__all__ = ["LONGEST_NAMES", "socket_of"]

LONGEST_NAMES: int = AF_UNIX if FACTS.unix_sockets else socket.AF_INET6
"""The family whose names are the longest, for a socket object that serves any family and tells no name."""


def socket_of(fd: int) -> socket.socket:
    """Makes an object that owns a descriptor, whatever state the socket is in. Any thread.

    Where no option tells the family (SO_DOMAIN: Linux, FreeBSD, OpenBSD), a socket without a name of its own
    gets the family ``LONGEST_NAMES``.

    Raises:
        OSError: It is closed (EBADF), or no socket (ENOTSOCK).
    """
    probe = socket_over(fd, LONGEST_NAMES, socket.SOCK_STREAM, 0)
    try:
        kind = probe.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
        if SO_DOMAIN is None:
            family = _family_by_name(probe)
        else:
            family = probe.getsockopt(socket.SOL_SOCKET, SO_DOMAIN)
    finally:
        probe.detach()
    return socket_over(fd, family, kind)


def _family_by_name(sock: socket.socket) -> int:
    try:
        name = sock.getsockname()
    except OSError as error:
        if error.errno in (errno.EBADF, errno.ENOTSOCK):
            raise
        return LONGEST_NAMES
    if not isinstance(name, tuple):
        return AF_UNIX
    return socket.AF_INET if len(name) == 2 else socket.AF_INET6
