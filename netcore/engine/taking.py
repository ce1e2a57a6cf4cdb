"""Taking over a socket that is given: what it is, the socket tells.

The engine works with a duplicate. So whatever fails on the way to a running engine closes what was opened for
it, as ever, and the descriptor that was given is closed when nothing can fail any more.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from netcore._machine import current
from netcore._platform import AF_UNIX, SO_ACCEPTCONN
from netcore.address import Address
from netcore.engine.binding import Bound, socket_options
from netcore.engine.binding_datagrams import BoundDatagrams, allow_sending, group_of
from netcore.engine.given import GivenListener, Source
from netcore.engine.socket_file import SocketFile
from netcore.errors import UnsupportedOperationError
from netcore.options import Options
from netcore.service import claim
from netcore.sockets import address_of, naming, socket_of, tell_destinations

__all__ = ["Takings"]

_INET = (socket.AF_INET, socket.AF_INET6)
_EVERY_INTERFACE = ("", "0.0.0.0", "::")


class Takings:
    """The descriptors that an engine has been given, until it is certain whether it keeps them."""

    def __init__(self) -> None:
        self._takings: dict[GivenListener, _Taking] = {}

    def begin(self, sources: Iterable[Source]) -> None:
        """Duplicates what is given, before the engine opens what may get the number of one that is not open.

        Raises:
            OSError: One is not open, or no socket.
        """
        given = [source for source in sources if isinstance(source, GivenListener)]
        for each in given:
            with _naming(each.address):
                self._takings[each] = _Taking(each)
        for each in given:
            with _naming(each.address):
                self._takings[each].duplicate()

    def take(self, given: GivenListener, options: Options) -> Bound | BoundDatagrams:
        """Makes a listener of a duplicate.

        Options that accepted sockets inherit are set, those that come before bind(2) and listen(2) are not.

        Raises:
            OSError: It does not listen, or is not bound.
            UnsupportedOperationError: It is a socket of a kind that cannot be served.
        """
        with _naming(given.address):
            return self._takings[given].open(options)

    def keep(self) -> None:
        """Closes the descriptors that were given: the engine has started and has its duplicates."""
        for given, taking in self._takings.items():
            claim(given.fd)
            taking.keep()
        self._takings.clear()

    def give_back(self) -> None:
        """Leaves the descriptors to the caller as they were; the listeners have been closed."""
        for taking in self._takings.values():
            taking.give_back()
        self._takings.clear()


class _Taking:
    def __init__(self, given: GivenListener) -> None:
        self._given = given
        # Of what all duplicates have in common (fcntl(2)), so that ours change it for the one given.
        self._blocking = current().is_blocking(given.fd)
        self._sock: socket.socket | None = None
        self._file: SocketFile | None = None

    def duplicate(self) -> None:
        copy = socket.dup(self._given.fd)  # which child processes do not inherit (PEP 446)
        try:
            self._sock = socket_of(copy)
        except BaseException:
            socket.close(copy)
            raise

    def open(self, options: Options) -> Bound | BoundDatagrams:
        sock = self._sock
        assert sock is not None
        is_stream = _check(sock, self._given.address)
        sock.setblocking(False)
        replace(socket_options(options), device="").apply(sock)
        address = _listening_address(sock)
        if self._given.tls:
            _check_tcp(address, self._given.address)
        if self._given.kcp:
            _check_udp(address, self._given.address)
        if not is_stream:
            allow_sending(sock)
            if address.host in _EVERY_INTERFACE or group_of(address) is not None:
                tell_destinations(sock)
            shown = replace(address, network="kcp") if self._given.kcp else address
            return BoundDatagrams(sock, shown, address_of(sock))
        if self._given.unlink and address.network == "unix" and not address.path.startswith("@"):
            with suppress(OSError):  # somebody has removed or moved it: then there is nothing to do
                self._file = SocketFile(address.path, shared=True, ours=False)
        local = None if address.host in _EVERY_INTERFACE and address.network != "unix" else address
        shown = replace(address, network="tls") if self._given.tls else address
        return Bound(sock, shown, local, self._file)

    def keep(self) -> None:
        _let_go(self._given.fd)
        if self._file is not None:
            self._file.adopt()

    def give_back(self) -> None:
        if self._sock is not None:
            self._sock.close()  # nothing happens if a loop has got the descriptor
        with suppress(OSError):  # it may be no socket at all
            original = socket_of(self._given.fd)
            try:
                original.setblocking(self._blocking)
            finally:
                original.detach()


@contextmanager
def _naming(address: Address) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise naming(error, address) from error


def _let_go(fd: int) -> None:
    """Closes a descriptor; those of standard input and output become the null device instead.

    The next connection would get the number, and with it, for one, what the program prints.
    """
    with suppress(OSError):  # the caller may have closed it
        if fd > 2 or current().facts.sockets_are_handles:
            socket.close(fd)
            return
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, fd)
        os.close(null)


def _check(sock: socket.socket, address: Address) -> bool:
    """Returns whether it is a stream socket rather than one for datagrams; raises unless it can be served."""
    is_stream = sock.type == socket.SOCK_STREAM
    is_inet = sock.family in _INET and (is_stream or sock.type == socket.SOCK_DGRAM)
    if not is_inet and not (sock.family == AF_UNIX and is_stream):
        family, kind = (getattr(part, "name", part) for part in (sock.family, sock.type))
        raise UnsupportedOperationError(
            f"{str(address)!r} cannot be served: it is an {family} {kind}, neither TCP, UDP nor a Unix stream"
        )
    if is_stream and not _listens(sock):
        raise OSError(errno.EINVAL, "this socket does not listen")
    if not is_stream and not sock.getsockname()[1]:
        raise OSError(errno.EINVAL, "this datagram socket is not bound")
    if not is_stream and _is_connected(sock):
        raise OSError(errno.EISCONN, "this datagram socket is connected to one peer")
    return is_stream


def _check_tcp(address: Address, given: Address) -> None:
    """Raises unless a listener that is to have TLS is one for TCP."""
    if address.network != "tcp":
        raise UnsupportedOperationError(
            f"{str(given)!r} cannot be served: TLS is for TCP, and this is {str(address)!r}"
        )


def _check_udp(address: Address, given: Address) -> None:
    """Raises unless a listener that is to have sessions of KCP is one for datagrams."""
    if not address.is_datagram:
        raise UnsupportedOperationError(
            f"{str(given)!r} cannot be served: KCP is for UDP, and this is {str(address)!r}"
        )


def _listens(sock: socket.socket) -> bool:
    """Whether listen(2) was called; a platform that does not tell is taken at the caller's word."""
    if SO_ACCEPTCONN is None:
        return True
    try:
        return bool(sock.getsockopt(socket.SOL_SOCKET, SO_ACCEPTCONN))
    except OSError:
        return True


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def _listening_address(sock: socket.socket) -> Address:
    """Returns a socket's address, every interface of both families as ``tcp://:PORT``."""
    address = address_of(sock)
    if address.host == "::" and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
        return replace(address, host="")
    return address
