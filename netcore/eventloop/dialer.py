"""The connections that this side brings about: dialled, or handed over as a socket."""

from __future__ import annotations

import socket
from concurrent.futures import Future
from typing import TYPE_CHECKING

from netcore._platform import AF_UNIX
from netcore.address import Address
from netcore.errors import EngineNotRunningError, UnsupportedOperationError, UnsupportedProtocolError
from netcore.eventloop.dialing import Dial
from netcore.handler import Conn
from netcore.sockets import address_of, pack_name, unpack_name

if TYPE_CHECKING:
    from netcore.eventloop.loop import Loop

__all__ = ["Dialer", "check_dialable"]


def check_dialable(address: Address) -> Address:
    """Returns the address, or raises UnsupportedProtocolError if this platform cannot connect to such."""
    if address.network == "unix" and AF_UNIX is None:
        raise UnsupportedProtocolError(
            f"{str(address)!r} cannot be dialled: this platform has no Unix sockets"
        )
    return address


class Dialer:
    """Makes connections of one loop; keeps account of those that are not yet made."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._under_way: dict[Dial, None] = {}

    def dial(self, address: Address, context: object, timeout: float | None) -> Future[Conn]:
        """See ``EventLoop.dial``. Any thread."""
        future: Future[Conn] = Future()
        future.set_running_or_notify_cancel()  # from here on it cannot be cancelled
        self._loop.execute(self._start, Dial(self._loop, address, context, future, self._ended), timeout)
        return future

    def enroll(self, sock: socket.socket, context: object) -> Future[Conn]:
        """See ``EventLoop.enroll``. Any thread."""
        _check_enrollable(sock)
        network = "udp" if sock.type == socket.SOCK_DGRAM else "tcp"
        remote = unpack_name(pack_name(sock.family, sock.getpeername()), network)
        local = address_of(sock)
        sock.setblocking(False)
        sock.set_inheritable(False)
        # Detached here, so that the caller cannot close it under us; a twin carries it to the loop.
        ours = socket.socket(fileno=sock.detach())
        future: Future[Conn] = Future()
        future.set_running_or_notify_cancel()
        self._loop.post(self._join, ours, remote, local, context, future)
        return future

    def fail_all(self, error: Exception) -> None:
        """Ends all dials under way. The loop's thread."""
        for dial in list(self._under_way):
            dial.fail(error)

    def abandon(self) -> None:
        """Lets go of all dials without a word, in a forked child."""
        for dial in self._under_way:
            dial.abandon()
        self._under_way.clear()

    def _start(self, dial: Dial, timeout: float | None) -> None:
        self._under_way[dial] = None
        if self._loop.stopping:
            dial.fail(_stopping(self._loop))
        else:
            dial.start(timeout)

    def _ended(self, dial: Dial) -> None:
        self._under_way.pop(dial, None)

    def _join(
        self, sock: socket.socket, remote: Address, local: Address, context: object, future: Future[Conn]
    ) -> None:
        if self._loop.stopping:
            sock.close()
            future.set_exception(_stopping(self._loop))
            return
        self._loop.counters.enrolled += 1
        try:
            future.set_result(self._loop.join(sock, remote, local, context))
        except Exception as error:
            self._loop.counters.enrolled -= 1
            future.set_exception(error)


def _stopping(loop: Loop) -> EngineNotRunningError:
    return EngineNotRunningError(f"loop {loop.index} is stopping and takes no more connections")


def _check_enrollable(sock: socket.socket) -> None:
    """Refuses other kinds of sockets; the kernel's getpeername(2) then refuses what is not connected."""
    inet = (socket.AF_INET, socket.AF_INET6)
    stream = sock.type == socket.SOCK_STREAM and sock.family in (*inet, AF_UNIX)
    if not stream and not (sock.type == socket.SOCK_DGRAM and sock.family in inet):
        raise UnsupportedOperationError(
            f"enroll needs a connected TCP, UDP or Unix stream socket, not {sock}"
        )
