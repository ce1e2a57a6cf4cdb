"""Binding: from an address to a listening socket."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from netcore._platform import (
    ABSTRACT_UNIX_NAMES,
    AF_UNIX,
    REUSE_PORT_OPTION,
    SO_BINDTODEVICE,
    SO_EXCLUSIVEADDRUSE,
)
from netcore.address import Address
from netcore.errors import UnsupportedOperationError, UnsupportedProtocolError
from netcore.options import Options
from netcore.sockets import set_keep_alive

__all__ = ["Bound", "bind", "check_servable"]

_KEEP_COUNT = 5
"""Unanswered keep-alive probes before a connection is given up, unless the options say so."""


class Bound:
    """A listening socket, owned until ``detach``.

    Attributes:
        sock: The socket, non-blocking.
        address: Where it listens, with the real port.
        local: The local address of every connection it accepts; None where it differs between them.
    """

    def __init__(
        self, sock: socket.socket, address: Address, local: Address | None, unlink: _Unlink | None
    ) -> None:
        self.sock = sock
        self.address = address
        self.local = local
        self._unlink = unlink

    def cleanup(self) -> None:
        """Removes what the bind has left in the file system."""
        if self._unlink is not None:
            self._unlink()

    def close(self) -> None:
        """Closes the socket and cleans up."""
        self.sock.close()
        self.cleanup()


_Unlink = Callable[[], object]


def bind(address: Address, options: Options, reuse_port: bool) -> Bound:
    """Binds a stream socket and listens on it.

    Args:
        address: Where. Port 0 lets the system choose; a host name stands for its first address.
        options: The options that concern listeners, all of which accepted sockets inherit.
        reuse_port: Whether several listeners share the port.

    Raises:
        OSError: The system refuses, such as EADDRINUSE or EADDRNOTAVAIL.
        UnsupportedOperationError: This platform lacks something that was asked for.
    """
    check_servable(address)
    if address.network == "unix":
        return _bind_unix(address, options)
    return _bind_inet(address, options, reuse_port)


def check_servable(address: Address) -> None:
    """Raises UnsupportedProtocolError if this platform, or this version, cannot serve such an address."""
    if address.is_datagram:
        raise UnsupportedProtocolError(
            f"{str(address)!r} cannot be served: this version serves streams, tcp and unix"
        )
    if address.network == "unix" and AF_UNIX is None:
        raise UnsupportedProtocolError(
            f"{str(address)!r} cannot be served: this platform has no Unix sockets"
        )
    if address.path.startswith("@") and not ABSTRACT_UNIX_NAMES:
        raise UnsupportedProtocolError(f"{str(address)!r} cannot be served: only Linux has abstract names")


def _bind_inet(address: Address, options: Options, reuse_port: bool) -> Bound:
    family, name = _resolve(address)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        _configure(sock, options, reuse_port)
        if family == socket.AF_INET6:
            dual = address.network == "tcp" and not address.host
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not dual))
        sock.bind(name)
        sock.listen(options.backlog)
        sock.setblocking(False)
        bound = replace(address, port=sock.getsockname()[1])
    except OSError as error:
        sock.close()
        raise _naming(error, address) from error
    except BaseException:
        sock.close()
        raise
    host = sock.getsockname()[0].partition("%")[0]
    local = None if host in ("0.0.0.0", "::") else Address("tcp", host, bound.port, zone=address.zone)
    return Bound(sock, bound, local, None)


def _resolve(address: Address) -> tuple[socket.AddressFamily, tuple[object, ...]]:
    families = {"tcp4": socket.AF_INET, "tcp6": socket.AF_INET6}
    family = families.get(address.network, socket.AF_UNSPEC)
    if not address.host:
        if family == socket.AF_INET or (family == socket.AF_UNSPEC and not _has_ipv6()):
            return socket.AF_INET, ("0.0.0.0", address.port)
        return socket.AF_INET6, ("::", address.port)
    host = f"{address.host}%{address.zone}" if address.zone else address.host
    try:
        found = socket.getaddrinfo(host, address.port, family, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)
    except OSError as error:
        raise _naming(error, address) from error
    # Names such as "localhost" often have both; IPv4 is what clients try that know only one.
    first = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return first[0], first[4]


def _has_ipv6() -> bool:
    """Whether a dual-stack socket works here; a kernel may have been built or booted without."""
    if not socket.has_dualstack_ipv6():
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def _configure(sock: socket.socket, options: Options, reuse_port: bool) -> None:
    """Sets the options that must be there before bind(2), or that accepted sockets inherit."""
    if options.reuse_addr:
        if SO_EXCLUSIVEADDRUSE is not None:
            sock.setsockopt(socket.SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port and REUSE_PORT_OPTION is not None:
        sock.setsockopt(socket.SOL_SOCKET, REUSE_PORT_OPTION, 1)
    if options.bind_to_device:
        if SO_BINDTODEVICE is None:
            raise UnsupportedOperationError(
                "option bind_to_device needs SO_BINDTODEVICE, which only Linux has"
            )
        sock.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, os.fsencode(options.bind_to_device) + b"\0")
    _configure_buffers(sock, options)
    if options.tcp_no_delay:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if options.tcp_keep_alive:
        idle = options.tcp_keep_alive
        interval = options.tcp_keep_interval or max(idle / 5, 1)
        set_keep_alive(sock, True, idle, interval, options.tcp_keep_count or _KEEP_COUNT)


def _configure_buffers(sock: socket.socket, options: Options) -> None:
    # Before listen(2): the window scale is fixed when a connection is made, from the listener's buffer.
    if options.socket_recv_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.socket_recv_buffer)
    if options.socket_send_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options.socket_send_buffer)


def _bind_unix(address: Address, options: Options) -> Bound:
    assert AF_UNIX is not None
    abstract = address.path.startswith("@")
    name = f"\0{address.path[1:]}" if abstract else address.path
    sock = socket.socket(AF_UNIX, socket.SOCK_STREAM)
    try:
        _configure_buffers(sock, options)
        if not abstract:
            _remove_dead_socket(address.path)
        sock.bind(name)
        unlink = None if abstract else _unlinker(address.path)
        sock.listen(options.backlog)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise _naming(error, address) from error
    return Bound(sock, address, address, unlink)


def _remove_dead_socket(path: str) -> None:
    """Unlinks a socket file that a dead server has left; anything else stays, and makes bind(2) fail."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return
    except FileNotFoundError:
        return
    assert AF_UNIX is not None
    with socket.socket(AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        if probe.connect_ex(path) == errno.ECONNREFUSED:
            with suppress(FileNotFoundError):
                os.unlink(path)


def _unlinker(path: str) -> _Unlink:
    """Returns what removes the socket file just made, unless something else has taken its place."""
    made = os.lstat(path)
    absolute = os.path.abspath(path)

    def unlink() -> None:
        with suppress(OSError):
            now = os.lstat(absolute)
            if (now.st_dev, now.st_ino) == (made.st_dev, made.st_ino):
                os.unlink(absolute)

    return unlink


def _naming(error: OSError, address: Address) -> OSError:
    """Makes an error of the same kind that names the address."""
    return type(error)(error.errno, f"{error.strerror or error} ({address})")
