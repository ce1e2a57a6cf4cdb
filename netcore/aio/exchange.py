"""How a batch is received and sent: by one call into C, or socket by socket."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from typing import Protocol

from netcore._machine import current
from netcore._native import MISSING
from netcore._platform import NO_SIGNAL, NO_WAIT
from netcore.errors import OptionsError
from netcore.sockets import NativeSockets

__all__ = ["AGAIN", "Exchange", "NativeExchange", "PlainExchange", "open_exchange"]

AGAIN = frozenset({-errno.EAGAIN, -errno.EWOULDBLOCK, -errno.EINTR})
"""Results of a system call that is to be made again later: nothing has come, or nothing is taken."""

_CAP = 65536
"""Bytes taken from one socket in one receive."""


class Ended(Protocol):
    """What has a socket."""

    fd: int
    sock: socket.socket


class Exchange(Protocol):
    """Batched I/O on the sockets of transports, which stay theirs."""

    def receive(self, ends: Sequence[Ended]) -> list[bytes | int]:
        """Receives once from each of them.

        Returns:
            For each its bytes, 0 at the end of the stream, or a negative errno.
        """

    def send(self, ends: Sequence[Ended], chunks: Sequence[bytes]) -> list[int]:
        """Sends one chunk to each of them, as far as the kernel takes it.

        Returns:
            For each 0 if all was sent, how many bytes were not, or a negative errno.
        """


class NativeExchange:
    """``Exchange`` over ``nc_receive`` and ``nc_send``."""

    def __init__(self) -> None:
        self._sockets = NativeSockets(_CAP)

    def receive(self, ends: Sequence[Ended]) -> list[bytes | int]:
        """See ``Exchange.receive``."""
        fds = [end.fd for end in ends]
        received: list[bytes | int] = []
        while fds:
            results = self._sockets.receive(fds)
            del fds[: len(results)]
            arena, at = self._sockets.arena, 0
            for n in results:
                if n > 0:
                    received.append(arena[at : at + n])
                    at += n
                else:
                    received.append(n)
        return received

    def send(self, ends: Sequence[Ended], chunks: Sequence[bytes]) -> list[int]:
        """See ``Exchange.send``."""
        left = [0] * len(ends)
        for at, n in self._sockets.send([end.fd for end in ends], list(chunks)):
            left[at] = n
        return left


def _code(error: OSError) -> int:
    return -(error.errno or errno.EIO)


class PlainExchange:
    """``Exchange`` over the sockets of the standard library."""

    def receive(self, ends: Sequence[Ended]) -> list[bytes | int]:
        """See ``Exchange.receive``."""
        received: list[bytes | int] = []
        for end in ends:
            try:
                received.append(end.sock.recv(_CAP, NO_WAIT) or 0)
            except OSError as error:
                received.append(_code(error))
            except MemoryError:
                received.append(-errno.ENOMEM)
        return received

    def send(self, ends: Sequence[Ended], chunks: Sequence[bytes]) -> list[int]:
        """See ``Exchange.send``."""
        left = []
        for end, chunk in zip(ends, chunks, strict=True):
            try:
                left.append(len(chunk) - end.sock.send(chunk, NO_SIGNAL | NO_WAIT))
            except OSError as error:
                left.append(_code(error))
        return left


def open_exchange() -> Exchange:
    """Returns the best that there is; NETCORE_SOCKETS, ``native`` or ``pure``, asks for one.

    Raises:
        OptionsError: NETCORE_SOCKETS is something else.
    """
    if current().simulated:
        return PlainExchange()
    wish = os.environ.get("NETCORE_SOCKETS") or ("pure" if MISSING else "native")
    if wish not in ("native", "pure"):
        raise OptionsError(f"NETCORE_SOCKETS is {wish!r}: it must be 'native' or 'pure'")
    return PlainExchange() if wish == "pure" else NativeExchange()
