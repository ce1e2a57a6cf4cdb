"""Who can reach a listener at all."""

from __future__ import annotations

import socket

from netcore._platform import AF_UNIX
from netcore.sockets import ip_of

__all__ = ["is_private"]


def is_private(listener: socket.socket) -> bool:
    """Whether only this machine can: by loopback, or a Unix socket."""
    if listener.family == AF_UNIX:
        return True
    ip = ip_of(listener.getsockname()[0].partition("%")[0])
    return ip is not None and ip.is_loopback
