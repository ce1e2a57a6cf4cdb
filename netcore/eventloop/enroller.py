"""The connections that are handed over as sockets."""

from __future__ import annotations

import socket
from concurrent.futures import Future
from contextlib import suppress
from typing import NamedTuple

from netcore._futures import disown
from netcore._platform import AF_UNIX, socket_over
from netcore.address import Address
from netcore.connection import ENROLLED, BaseStream
from netcore.errors import UnsupportedOperationError
from netcore.eventloop.connections import Connections
from netcore.eventloop.fates import forked, stopping
from netcore.eventloop.faults import as_exception
from netcore.eventloop.site import Site
from netcore.handler import Conn
from netcore.sockets import address_of, duplicate, guard, pack_name, take_passed, unpack_name

__all__ = ["Enroller"]

_MOVES_BYTES = (
    "recv",
    "recv_into",
    "recvfrom",
    "recvfrom_into",
    "recvmsg",
    "recvmsg_into",
    "send",
    "sendall",
    "sendmsg",
    "sendto",
    "sendfile",
)
"""The methods by which a subclass of ``socket.socket`` would put a layer of its own above the descriptor."""


class _Given(NamedTuple):
    """What is handed over, and how it was.

    Attributes:
        original: The caller's object, detached.
        ours: An object over its descriptor.
        timeout: What the original had.
        inheritable: What the descriptor was.
    """

    original: socket.socket
    ours: socket.socket
    timeout: float | None
    inheritable: bool


class Enroller:
    """Makes connections of sockets that something else has connected, on one loop.

    Args:
        site: The loop.
        connections: What they become a part of.
    """

    def __init__(self, site: Site, connections: Connections) -> None:
        self._site = site
        self._connections = connections
        # From the call on, so that a fork does not pass them over. Any thread adds to them.
        self._joining: dict[Future[Conn], _Given] = {}

    def enroll(self, sock: socket.socket, context: object) -> Future[Conn]:
        """See ``EventLoop.enroll``. Any thread."""
        self._site.machine.check_socket(sock)
        _check_enrollable(sock)
        network = "udp" if sock.type == socket.SOCK_DGRAM else "tcp"
        remote = unpack_name(pack_name(sock.family, sock.getpeername()), network)
        local = address_of(sock)
        future: Future[Conn] = self._site.machine.make(Future)
        future.set_running_or_notify_cancel()
        if self._site.stopping:
            future.set_exception(stopping(self._site))
            return future
        self._joining[future] = given = _take_over(sock)
        try:
            self._site.post(self._join, remote, local, context, future)
        except BaseException:
            del self._joining[future]
            _give_back(given, given.ours.detach())
            raise
        return future

    @property
    def count(self) -> int:
        """Enrolments under way, from the call until the connection is open. Any thread."""
        return len(self._joining)

    def abandon(self) -> None:
        """Lets go of what has not joined, in a forked child."""
        for future, given in self._joining.items():
            with suppress(OSError):  # nobody has attached it yet
                given.ours.close()
            disown(future, forked(self._site))
        self._joining.clear()

    def _join(self, remote: Address, local: Address, context: object, future: Future[Conn]) -> None:
        given = self._joining[future]
        spare = -1
        try:
            if self._site.stopping:
                raise stopping(self._site)
            spare = duplicate(given.ours)  # by which the socket can be given back
            conn = self._make(given, remote, local, context)
        except BaseException as error:
            try:
                _give_back(given, spare if spare >= 0 else given.ours.detach())
            finally:  # what may fail, too, as with a number that is no socket any more
                future.set_exception(as_exception(error))
            if not isinstance(error, Exception):
                raise
        else:
            socket.close(spare)
            if not future.done():  # as in a child that on_open has forked
                future.set_result(conn)
        finally:
            self._joining.pop(future, None)

    def _make(self, given: _Given, remote: Address, local: Address, context: object) -> Conn:
        site, connections = self._site, self._connections
        family, datagrams = given.ours.family, given.ours.type == socket.SOCK_DGRAM
        fd = given.ours.detach()
        site.counters.enrolled += 1
        try:
            site.descriptors.add(fd)
            site.descriptors.admit(fd)
            if datagrams:
                return connections.establish_datagrams(fd, family, remote, local, context)
            network, prepare = ("unix", self._take_passed) if family == AF_UNIX else ("tcp", _note_origin)
            return connections.establish(
                fd, network, remote, local, context, prepare=prepare, turn_down=site.descriptors.release
            )
        except BaseException:
            site.counters.enrolled -= 1
            raise

    def _take_passed(self, conn: BaseStream) -> None:
        _note_origin(conn)
        with self._site.sockets.borrow(conn.fd) as sock:
            waiting = take_passed(sock)
        if waiting:
            self._site.counters.bytes_received += len(waiting)
            conn.bytes_received += len(waiting)
            with memoryview(waiting) as received:
                conn.take_in(received)


def _note_origin(conn: BaseStream) -> None:
    conn.note_origin(ENROLLED)


def _check_enrollable(sock: object) -> None:
    """Refuses other kinds of sockets; the kernel's getpeername(2) then refuses what is not connected."""
    if not isinstance(sock, socket.socket):
        text = f"enroll needs a socket.socket itself, and not {sock!r}"
        raise UnsupportedOperationError(text) if hasattr(sock, "fileno") else TypeError(text)
    inet = (socket.AF_INET, socket.AF_INET6)
    stream = sock.type == socket.SOCK_STREAM and sock.family in (*inet, AF_UNIX)
    if not stream and not (sock.type == socket.SOCK_DGRAM and sock.family in inet):
        raise UnsupportedOperationError(
            f"enroll needs a connected TCP, UDP or Unix stream socket, not {sock}"
        )
    if _moves_bytes_itself(sock):
        raise UnsupportedOperationError(
            f"enroll works on the descriptor, and a {type(sock).__name__} sends and receives in its own way, "
            "as TLS does"
        )
    if getattr(sock, "_io_refs", 0):
        raise UnsupportedOperationError(
            "a file that makefile() has made of the socket is open, and may have read ahead"
        )


def _moves_bytes_itself(sock: object) -> bool:
    """Whether an object of a subclass has methods of its own to send and receive."""
    own = getattr(sock, "__dict__", {})
    kind = type(sock)
    return any(
        name in own or getattr(kind, name, None) is not getattr(socket.socket, name, None)
        for name in _MOVES_BYTES
    )


def _take_over(sock: socket.socket) -> _Given:
    """Detaches the caller's object, so that the caller cannot close the descriptor under us."""
    timeout, inheritable = sock.gettimeout(), sock.get_inheritable()
    try:
        sock.setblocking(False)
        sock.set_inheritable(False)
        guard(sock)
    except OSError:
        with suppress(OSError):
            sock.settimeout(timeout)
            sock.set_inheritable(inheritable)
        raise
    family, kind, number = sock.family, sock.type, sock.proto
    return _Given(sock, socket_over(sock.detach(), family, kind, number), timeout, inheritable)


def _give_back(given: _Given, fd: int) -> None:
    """Makes the caller's object own the socket again, as it was."""
    original, ours = given.original, given.ours
    socket.socket.__init__(original, ours.family, ours.type, ours.proto, fd)
    with suppress(OSError):
        original.set_inheritable(given.inheritable)  # its method, since on Windows the number is a handle
    with suppress(OSError):
        original.settimeout(given.timeout)
