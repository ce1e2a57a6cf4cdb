"""The methods of a connection that set options of its socket."""

from __future__ import annotations

import abc
import socket
from contextlib import AbstractContextManager

from netcore._arguments import size_of, switch_of
from netcore._durations import seconds as checked_seconds
from netcore._durations import whole_seconds
from netcore._platform import pack_linger
from netcore.errors import UnsupportedOperationError
from netcore.handler import Conn
from netcore.sockets import duplicate, set_keep_alive

__all__ = ["SocketSettings"]

_LONGEST_LINGER = 32767
"""Seconds: a short, which is all that some systems keep of SO_LINGER's time."""


class SocketSettings(Conn):
    """Sets options on the socket that ``borrowed`` lends."""

    __slots__ = ()

    @abc.abstractmethod
    def borrowed(self) -> AbstractContextManager[socket.socket]:
        """Lends a socket object, which the loop cannot close meanwhile.

        Raises:
            ConnectionClosedError: The descriptor is closed.
        """

    def dup(self) -> int:
        """See ``Conn.dup``; the copy is not inherited by child processes (PEP 446)."""
        with self.borrowed() as sock:
            return duplicate(sock)

    def set_read_buffer(self, size: int) -> None:
        """See ``Conn.set_read_buffer``."""
        size = size_of(size, "the size of a buffer")
        with self.borrowed() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    def set_write_buffer(self, size: int) -> None:
        """See ``Conn.set_write_buffer``."""
        size = size_of(size, "the size of a buffer")
        with self.borrowed() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    def set_linger(self, seconds: int) -> None:
        """See ``Conn.set_linger``."""
        seconds = whole_seconds(seconds, "the time to linger", _LONGEST_LINGER)
        with self.borrowed() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(seconds))

    def set_no_delay(self, on: bool) -> None:
        """See ``Conn.set_no_delay``."""
        on = switch_of(on, "TCP_NODELAY")
        self._require_tcp("set_no_delay")
        with self.borrowed() as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(on))

    def set_keep_alive(self, enabled: bool, idle: float = 0, interval: float = 0, count: int = 0) -> None:
        """See ``Conn.set_keep_alive``."""
        enabled = switch_of(enabled, "keep-alive")
        idle = checked_seconds(idle, "the idle time of keep-alive")
        interval = checked_seconds(interval, "the interval of keep-alive")
        count = size_of(count, "the count of keep-alive")
        self._require_tcp("set_keep_alive")
        if enabled and min(idle, interval, count) < 1:
            raise ValueError(
                f"keep-alive needs idle, interval and count of 1 or more, not {idle}, {interval} and {count}"
            )
        with self.borrowed() as sock:
            set_keep_alive(sock, enabled, idle, interval, count)

    def _require_tcp(self, method: str) -> None:
        if self.network not in ("tcp", "tls"):
            raise UnsupportedOperationError(
                f"{method} needs a TCP connection, and this one is {self.network}"
            )
