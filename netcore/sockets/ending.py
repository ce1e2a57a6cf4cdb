"""Ending a connection in plain Python; what ``src/sockets.c`` does for the native sockets.

close(2) has two faults as an end. It waits for what is unsent if SO_LINGER says so, though the socket does
not block (socket(7)), and while a duplicate of the descriptor is open it tells the peer nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from functools import cache

from netcore._platform import AF_UNIX, FACTS, linger_of, pack_linger

__all__ = ["end_orderly", "end_with_reset"]

_SOCKADDR_SIZE = 16
"""Bytes of ``struct sockaddr``, all of them zero where its family is AF_UNSPEC."""


def end_orderly(sock: socket.socket) -> None:
    """Does for one socket what ``Transport.close`` is to do."""
    with suppress(OSError):  # as close(2): the descriptor is gone whatever it says
        seconds = linger_of(sock)
        if seconds == 0:
            end_with_reset(sock)
            return
        if seconds is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(-1))
    with suppress(OSError):  # not connected any more
        sock.shutdown(socket.SHUT_WR)
    with suppress(OSError):
        sock.close()


def end_with_reset(sock: socket.socket) -> None:
    """Does for one socket what ``Transport.reset`` is to do."""
    with suppress(OSError):
        # Datagrams know no reset, and a duplicate is to go on.
        if sock.type == socket.SOCK_STREAM and not _disconnect(sock):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(0))
            if sock.family == AF_UNIX:  # which has no reset: its peer sees the end at least
                sock.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        sock.close()


def _disconnect(sock: socket.socket) -> bool:
    """Resets a TCP connection at once, whoever else has it open; returns whether the system has done so.

    On Linux connect(2) to AF_UNSPEC does what the last close(2) does under SO_LINGER of zero seconds. The
    standard library can ask for it by ctypes only, which a build of Python may lack. A simulated socket has
    a method for it.
    """
    disconnect: Callable[[], object] | None = getattr(sock, "disconnect", None)
    if disconnect is not None:
        disconnect()
        return True
    connect = _system_connect()
    return connect is not None and connect(sock.fileno(), bytes(_SOCKADDR_SIZE), _SOCKADDR_SIZE) == 0


@cache
def _system_connect() -> Callable[[int, bytes, int], int] | None:
    if not FACTS.disconnect_resets:
        return None
    try:
        import ctypes

        connect = ctypes.CDLL(None).connect
    except (ImportError, OSError, AttributeError):
        return None
    connect.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    call: Callable[[int, bytes, int], int] = connect
    return call
