"""The queue of errors that Linux keeps beside a socket's data; MSG_ERRQUEUE of recv(2), IP_RECVERR of ip(7).

While it holds anything a socket is reported as failed, which neither a receive nor SO_ERROR ends. What is
in it was asked for by who made the socket: errors of the network, kept apart, and the time stamps and
completions of what was sent.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import Any

from netcore._machine import current
from netcore.errors import UnsupportedOperationError
from netcore.sockets.names import pack_name
from netcore.sockets.protocol import Transport

__all__ = ["is_in_trouble", "take_errors"]

# Windows knows the flag by name, but has no such queue, nor the call to read it.
_ERRQUEUE: int = getattr(socket, "MSG_ERRQUEUE", 0) if hasattr(socket.socket, "recvmsg") else 0
_DONTWAIT: int = getattr(socket, "MSG_DONTWAIT", 0)
_ROOM = 512
"""Bytes of control messages."""

_MOST = 256
"""Errors taken at once; the poller reports the rest."""

_RECVERR = frozenset({(socket.IPPROTO_IP, 11), (getattr(socket, "IPPROTO_IPV6", 41), 25)})
"""IP_RECVERR and IPV6_RECVERR, of which the standard library knows no names."""

_EXTENDED = struct.Struct("IBBBxII")
"""``struct sock_extended_err``: errno, origin, and what else there is."""

_ORIGINS = frozenset({1, 2, 3, 6})
"""Where errors come from: this machine, ICMP, ICMPv6, a transmit time that has passed. Others are news."""


def take_errors(sockets: Transport, fd: int) -> tuple[list[tuple[int, bytes]], bool]:
    """Empties the error queue of a socket, as far as there is one.

    Args:
        sockets: What lends it.
        fd: Its descriptor.

    Returns:
        For each error the negative errno, and the packed name of where the datagram was to go that it is
        about; and whether there was anything in the queue.
    """
    found: list[tuple[int, bytes]] = []
    any_taken = False
    sock: Any  # Windows has no recvmsg
    if not _ERRQUEUE:
        return found, False
    with suppress(OSError, UnsupportedOperationError), sockets.borrow(fd) as sock:
        if sock.family not in (socket.AF_INET, socket.AF_INET6):  # others would take it for a plain receive
            return found, False
        for _ in range(_MOST):
            _, ancillary, _, name = sock.recvmsg(1, _ROOM, _ERRQUEUE | _DONTWAIT)
            any_taken = True
            for level, kind, data in ancillary:
                if (level, kind) in _RECVERR and len(data) >= _EXTENDED.size:
                    code, origin, *_ = _EXTENDED.unpack_from(data)
                    if code and origin in _ORIGINS:
                        found.append((-code, pack_name(sock.family, name or None)))
    return found, any_taken


def is_in_trouble(sockets: Transport, fd: int) -> bool:
    """Whether a socket really has failed or hung up, as a poller has said; poll(2), where there is one.

    Asking changes nothing. Where nothing can be asked, the poller is believed.
    """
    try:
        with sockets.borrow(fd):
            return current().in_trouble(fd)
    except (OSError, UnsupportedOperationError):
        return True
