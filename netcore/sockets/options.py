"""Socket options: those of every stream socket that an engine makes, and those that take several calls."""

from __future__ import annotations

import math
import os
import socket
from contextlib import suppress
from dataclasses import dataclass

from netcore._durations import seconds
from netcore._machine import current
from netcore._native import MISSING, native
from netcore._platform import AF_UNIX
from netcore.errors import UnsupportedOperationError

__all__ = ["SocketOptions", "duplicate", "guard", "set_keep_alive", "survive_unreachable"]

_LONGEST_INTERVAL = 32767
"""Seconds that every kernel takes between two probes; of Linux it is MAX_TCP_KEEPINTVL."""

_INT_MAX = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """What is set on a socket before it is bound or connected; accepted sockets inherit it.

    Attributes:
        no_delay: TCP_NODELAY.
        keep_alive: Seconds of silence before TCP keep-alive probes; 0 or infinity for none.
        keep_interval: Seconds between probes.
        keep_count: Unanswered probes before the connection is dropped.
        receive_buffer: SO_RCVBUF in bytes; 0 for the system's choice.
        send_buffer: SO_SNDBUF in bytes; 0 for the system's choice.
        device: The network interface to keep to; empty for any.
    """

    no_delay: bool = True
    keep_alive: float = 0
    keep_interval: float = 0
    keep_count: int = 0
    receive_buffer: int = 0
    send_buffer: int = 0
    device: str = ""

    def apply(self, sock: socket.socket) -> None:
        """Sets the options that fit a socket's family and type.

        Raises:
            OSError: The system refuses one.
            UnsupportedOperationError: This platform cannot tie a socket to a network interface.
        """
        guard(sock)
        if self.receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        if self.send_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.send_buffer)
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            return
        if self.device:
            option = current().facts.bind_to_device
            if option is None:
                raise UnsupportedOperationError("bind_to_device needs SO_BINDTODEVICE, which only Linux has")
            sock.setsockopt(socket.SOL_SOCKET, option, os.fsencode(self.device) + b"\0")
        if sock.type == socket.SOCK_STREAM:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(self.no_delay))
            if self.keep_alive:
                set_keep_alive(sock, True, self.keep_alive, self.keep_interval, self.keep_count)


def guard(sock: socket.socket) -> None:
    """Keeps a peer from what would end the process or hold up the loop; accepted sockets inherit most of it.

    A write after the peer has gone is to raise no SIGPIPE, where an option says so. A Unix peer is to pass no
    descriptors (SCM_RIGHTS of unix(7)): nobody here asks for them, so receiving would close them, and a close
    takes what time the peer has prepared for it, such as that of a socket with SO_LINGER. With SO_PASSRIGHTS
    off its sendmsg(2) fails with EPERM. Systems that lack the option, such as Linux before 6.16, have nothing
    against it but the permissions of the socket's file.
    """
    facts = current().facts
    with suppress(OSError):  # an older kernel, or a connection that is dead already
        if facts.no_sigpipe is not None:
            sock.setsockopt(socket.SOL_SOCKET, facts.no_sigpipe, 1)
        if facts.pass_rights is not None and sock.family == AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, facts.pass_rights, 0)


def set_keep_alive(sock: socket.socket, enabled: bool, idle: float, interval: float, count: int) -> None:
    """Switches TCP keep-alive on or off; see tcp(7).

    Args:
        sock: A TCP socket.
        enabled: Whether to probe a silent peer; the rest counts only if so.
        idle: Seconds of silence before the first probe; infinity for no probe at all.
        interval: Seconds between probes; infinity for as long as every system takes.
        count: Unanswered probes before the connection is dropped.

    Raises:
        TypeError: A duration is not an int or a float.
        ValueError: A duration is negative or not a number.
        OSError: The system refuses a value; then it does not probe because of this call.
    """
    idle = seconds(idle, "the idle time of keep-alive")
    interval = seconds(interval, "the interval of keep-alive")
    probes = enabled and idle != math.inf
    if probes:
        facts = current().facts
        values = (idle, _LONGEST_INTERVAL if interval == math.inf else interval, count)
        for option, unit, value in zip(facts.keep_alive, facts.keep_alive_units, values, strict=True):
            if option is not None:  # too much for an int is the system's to refuse as well
                sock.setsockopt(socket.IPPROTO_TCP, option, min(int(value * unit), _INT_MAX))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(probes))


def survive_unreachable(sock: socket.socket) -> None:
    """Lets a datagram socket that is not connected go on where somebody it sent to was not there.

    Elsewhere it does so anyway. On Windows such news, which do not say whom they are about, would be errors
    of its next receives, unless SIO_UDP_CONNRESET is switched off; which is left to do without netcore's
    native part, whose business alone it can be.
    """
    if not MISSING:
        native()[1].nc_ignore_unreachable(sock.fileno())


def duplicate(sock: socket.socket) -> int:
    """Duplicates a socket's descriptor; see dup(2). The copy is not inherited by child processes (PEP 446).

    ``socket.socket.dup`` also gives the copy the time-out of the object; PyPy's has it block before that.
    The file status flags, O_NONBLOCK among them, are common to all copies (fcntl(2)): the next accept(2) from
    the original would block its loop.
    """
    return socket.dup(sock.fileno())
