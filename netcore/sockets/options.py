"""Socket options that need more than one call."""

from __future__ import annotations

import socket

__all__ = ["set_keep_alive"]

_IDLE: int | None = getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None))
"""Seconds of silence before the first probe; macOS calls it TCP_KEEPALIVE."""
_INTERVAL: int | None = getattr(socket, "TCP_KEEPINTVL", None)
_COUNT: int | None = getattr(socket, "TCP_KEEPCNT", None)


def set_keep_alive(sock: socket.socket, enabled: bool, idle: float, interval: float, count: int) -> None:
    """Switches TCP keep-alive on or off; see tcp(7).

    Args:
        sock: A TCP socket.
        enabled: Whether to probe a silent peer; the rest counts only if so.
        idle: Seconds of silence before the first probe.
        interval: Seconds between probes.
        count: Unanswered probes before the connection is dropped.

    Raises:
        OSError: The system refuses a value.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(enabled))
    if enabled:
        for option, value in ((_IDLE, idle), (_INTERVAL, interval), (_COUNT, count)):
            if option is not None:
                sock.setsockopt(socket.IPPROTO_TCP, option, int(value))
