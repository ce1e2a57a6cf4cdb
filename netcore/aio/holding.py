"""The socket of a transport: nobody closes it behind the transport's back, and its close does not wait.

Bytes are received and sent by the descriptor's number. Whoever closes a socket that a transport has gives the
number away, to a connection whose bytes it would then be.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

from netcore._platform import linger_of, pack_linger

__all__ = ["hold", "let_go"]


def hold(sock: Any) -> None:
    """Has ``sock.close`` wait for ``let_go``, as it waits for files that were made of a socket."""
    if issubclass(type(sock), socket.socket):  # rather than what stands for one in a test
        sock._io_refs += 1


def let_go(sock: Any) -> None:
    """Ends what ``hold`` began: a socket that was to be closed in the meantime is closed.

    A close would wait for what is unsent if SO_LINGER says so, though the socket does not block (socket(7)).
    """
    if issubclass(type(sock), socket.socket):
        with suppress(OSError):
            if linger_of(sock):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(-1))
        sock._decref_socketios()
