"""Binding: from an address to a listening socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from netcore._machine import current
from netcore._platform import AF_UNIX
from netcore.address import Address
from netcore.engine.socket_file import SocketFile, remove_dead
from netcore.errors import UnsupportedProtocolError
from netcore.options import Options
from netcore.sockets import Endpoint, SocketOptions, naming, resolve

__all__ = [
    "Bound",
    "bind",
    "check_servable",
    "closed_on_error",
    "endpoint_of",
    "probe_port",
    "socket_options",
]

_KEEP_COUNT = 5
"""Unanswered keep-alive probes before a connection is given up, unless the options say so."""

_PRIVILEGED = ": ports below 1024 take a privilege, or a service manager that binds them"


class Bound:
    """A listening socket, owned until ``detach``.

    Attributes:
        sock: The socket, non-blocking.
        address: Where it listens, with the real port.
        local: The local address of every connection it accepts; None where it differs between them.
    """

    def __init__(
        self, sock: socket.socket, address: Address, local: Address | None, file: SocketFile | None
    ) -> None:
        self.sock = sock
        self.address = address
        self.local = local
        self._file = file

    def share(self) -> None:
        """Tells that somebody else may listen on the socket too, and go on when it is closed here."""
        if self._file is not None:
            self._file.shared = True

    def cleanup(self) -> None:
        """Removes what the bind has left in the file system. The socket has been closed."""
        if self._file is not None:
            self._file.remove()

    def close(self) -> None:
        """Closes the socket and cleans up."""
        self.sock.close()
        self.cleanup()


def bind(address: Address, options: Options, reuse_port: bool, mode: int | None = None) -> Bound:
    """Binds a stream socket and listens on it.

    Args:
        address: Where. Port 0 lets the system choose; a host name stands for its first address.
        options: The options that concern listeners, all of which accepted sockets inherit.
        reuse_port: Whether several listeners share the port.
        mode: The permissions of a Unix socket's file, without which nobody gets in; None for the umask's.

    Raises:
        OSError: The system refuses, such as EADDRINUSE or EADDRNOTAVAIL.
        UnsupportedOperationError: This platform lacks something that was asked for.
    """
    check_servable(address)
    if address.network == "unix":
        return _bind_unix(address, options, mode)
    return _bind_inet(address, options, reuse_port)


def check_servable(address: Address) -> None:
    """Raises UnsupportedProtocolError if this platform cannot serve such an address."""
    address.check_named()
    if address.network != "unix":
        return
    facts = current().facts
    if not facts.unix_sockets:
        raise UnsupportedProtocolError(
            f"{str(address)!r} cannot be served: this platform has no Unix sockets"
        )
    if address.path.startswith("@") and not facts.abstract_names:
        raise UnsupportedProtocolError(f"{str(address)!r} cannot be served: only Linux has abstract names")


def _bind_inet(address: Address, options: Options, reuse_port: bool) -> Bound:
    sock = _bound_inet(address, options, reuse_port)
    with closed_on_error(sock, address):
        sock.listen(options.backlog)
        sock.setblocking(False)
        bound = replace(address, port=sock.getsockname()[1])
    host = sock.getsockname()[0].partition("%")[0]
    zone = address.zone if sock.family == socket.AF_INET6 else ""
    local = None if host in ("0.0.0.0", "::") else Address("tcp", host, bound.port, zone=zone)
    return Bound(sock, bound, local, None)


def probe_port(address: Address, options: Options) -> None:
    """Raises OSError if a port is in use, even by listeners that would share it."""
    _bound_inet(address, options, reuse_port=False).close()


def _bound_inet(address: Address, options: Options, reuse_port: bool) -> socket.socket:
    """Returns a socket that is bound and does not listen yet."""
    endpoint = endpoint_of(address)
    sock = socket.socket(endpoint.family, socket.SOCK_STREAM)
    with closed_on_error(sock, address):
        _configure(sock, options, reuse_port)
        if endpoint.family == socket.AF_INET6:
            dual = address.network in ("tcp", "tls") and not address.host
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not dual))
        sock.bind(endpoint.name)
    return sock


@contextmanager
def closed_on_error(sock: socket.socket, address: Address) -> Iterator[None]:
    """Closes a socket if the block fails, and has an error of the system's name the address."""
    try:
        yield
    except BaseException as error:
        sock.close()
        if isinstance(error, OSError):
            privileged = isinstance(error, PermissionError) and 0 < address.port < 1024
            raise naming(error, address, _PRIVILEGED if privileged else "") from error
        raise


def endpoint_of(address: Address) -> Endpoint:
    """Finds what to bind for an address; every interface is IPv6 if a dual-stack socket works here."""
    if address.host:
        return resolve(address, passive=True)[0]
    if address.network.endswith("4") or (not address.network.endswith("6") and not _has_ipv6()):
        return Endpoint(socket.AF_INET, ("0.0.0.0", address.port))
    return Endpoint(socket.AF_INET6, ("::", address.port))


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
    facts = current().facts
    if options.reuse_addr:
        if facts.exclusive_port is not None:
            sock.setsockopt(socket.SOL_SOCKET, facts.exclusive_port, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port and facts.reuse_port is not None:
        sock.setsockopt(socket.SOL_SOCKET, facts.reuse_port, 1)
    socket_options(options).apply(sock)


def socket_options(options: Options) -> SocketOptions:
    """Draws from an engine's options those of its sockets."""
    idle = options.tcp_keep_alive
    return SocketOptions(
        no_delay=options.tcp_no_delay,
        keep_alive=idle,
        keep_interval=options.tcp_keep_interval or max(idle / 5, 1),
        keep_count=options.tcp_keep_count or _KEEP_COUNT,
        receive_buffer=options.socket_recv_buffer,
        send_buffer=options.socket_send_buffer,
        device=options.bind_to_device,
    )


def _bind_unix(address: Address, options: Options, mode: int | None) -> Bound:
    abstract = address.path.startswith("@")
    sock = socket.socket(AF_UNIX, socket.SOCK_STREAM)
    file: SocketFile | None = None
    try:
        socket_options(options).apply(sock)
        if not abstract:
            remove_dead(address.path)
        sock.bind(resolve(address, passive=True)[0].name)
        if not abstract:
            file = SocketFile(address.path)
            if mode is not None:  # before it listens: until then nobody can connect
                os.chmod(address.path, mode)
        sock.listen(options.backlog)
        sock.setblocking(False)
    except BaseException as error:
        sock.close()
        if file is not None:
            file.remove()
        if isinstance(error, OSError):
            raise naming(error, address) from error
        raise
    return Bound(sock, address, address, file)
