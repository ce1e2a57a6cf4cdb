"""Datagrams one by one over the standard library."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import Any

from netcore._facts import Facts
from netcore._machine import current
from netcore._platform import NO_SIGNAL, NO_WAIT
from netcore.sockets.destinations import AncillaryData, from_ancillary, tells_destinations, to_ancillary
from netcore.sockets.names import pack_name, system_name
from netcore.sockets.protocol import Chunk

__all__ = ["PureDatagrams"]

_TOO_LONG = frozenset({errno.EMSGSIZE, getattr(errno, "WSAEMSGSIZE", errno.EMSGSIZE)})
"""What receiving gives on Windows for a datagram longer than the buffer; elsewhere it is cut in silence."""


_NOT_FROM_THERE = frozenset({errno.EINVAL, errno.EADDRNOTAVAIL, errno.ENETUNREACH})
"""What sending gives where a source cannot be: it is nobody's any more (ENETUNREACH of Linux 6.18, which was
EINVAL), or there is no way from there."""

_FLAGS = NO_SIGNAL | NO_WAIT
_ANCILLARY = 128
"""Bytes for what the system tells besides the payload: two control messages, and some to spare."""


class PureDatagrams:
    """The datagram half of ``PureSockets``."""

    def __init__(self, sockets: dict[int, socket.socket], receive_cap: int) -> None:
        """Shares the table of sockets.

        Args:
            sockets: Those that are attached, by descriptor.
            receive_cap: The longest datagram that is received whole, in bytes.
        """
        self._by_descriptor = sockets
        self._facts = current().facts
        self._longest = receive_cap
        self._room = memoryview(bytearray(receive_cap + 1))  # one more, which tells a longer one

    def receive_datagrams(self, fd: int, limit: int) -> tuple[list[tuple[bytes | None, bytes]], int]:
        """See ``Sockets.receive_datagrams``; recvfrom(2)."""
        sock: Any = self._by_descriptor[fd]  # Windows has no recvmsg
        room, longest = self._room, self._longest
        tells = tells_destinations(sock, self._facts)
        ancillary: AncillaryData = []
        received: list[tuple[bytes | None, bytes]] = []
        while len(received) < limit:
            try:
                if tells:
                    n, ancillary, _, name = sock.recvmsg_into([room], _ANCILLARY, NO_WAIT)
                else:
                    n, name = sock.recvfrom_into(room, 0, NO_WAIT)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                if error.errno == errno.ECONNRESET:  # Windows; "port unreachable" has this name elsewhere
                    return received, -errno.ECONNREFUSED
                if error.errno not in _TOO_LONG:
                    return received, -(error.errno or errno.EIO)
                received.append((None, pack_name(sock.family, None)))
            else:
                payload = bytes(room[:n]) if n <= longest else None
                packed = pack_name(sock.family, name)
                received.append((payload, from_ancillary(packed, ancillary, self._facts)))
        return received, 0

    def send_datagrams(self, fd: int, chunks: list[Chunk], names: list[bytes]) -> Sequence[tuple[int, int]]:
        """See ``Transport.send_datagrams``; sendto(2)."""
        sock = self._by_descriptor[fd]
        failures: list[tuple[int, int]] = []
        for i, (chunk, name) in enumerate(zip(chunks, names, strict=True)):
            try:
                _send(sock, chunk, name, self._facts)
            except OSError as error:
                code = -(error.errno or errno.EIO)
                if isinstance(error, BlockingIOError) or error.errno == errno.ENOBUFS:
                    return failures + [(j, code) for j in range(i, len(chunks))]
                failures.append((i, code))
        return failures


def _send(sock: Any, chunk: Chunk, name: bytes, facts: Facts) -> None:
    target = system_name(name)
    if target is None:
        sock.send(chunk, _FLAGS)
    elif ancillary := to_ancillary(name, facts):
        try:
            sock.sendmsg([chunk], ancillary, _FLAGS, target)
        except OSError as error:
            if error.errno not in _NOT_FROM_THERE:
                raise
            sock.sendto(chunk, _FLAGS, target)
    else:
        sock.sendto(chunk, _FLAGS, target)
