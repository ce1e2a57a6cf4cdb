"""Connecting without blocking, to one endpoint after the other until one answers."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from netcore._native import error as system_error
from netcore.address import Address
from netcore.handler import Conn, Timer
from netcore.poll import Interest
from netcore.sockets import Endpoint, address_of, naming, needs_lookup, pack_name, resolve, unpack_name

if TYPE_CHECKING:
    from netcore.eventloop.loop import Loop

__all__ = ["Dial"]

_IN_PROGRESS = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY, getattr(errno, "WSAEWOULDBLOCK", 0))

_RETRY = 0.01
"""Seconds until a Unix listener with a full backlog is tried again: there connect(2) gives EAGAIN."""


class Dial:
    """One call of ``dial``. On the loop's thread, but for the constructor.

    Args:
        loop: Where the connection will live.
        address: Where to.
        context: What ``conn.context`` will be.
        future: What gets the connection, after its ``on_open``, or the error.
        ended: Called with this dial when either has come.
    """

    def __init__(
        self,
        loop: Loop,
        address: Address,
        context: object,
        future: Future[Conn],
        ended: Callable[[Dial], object],
    ) -> None:
        self._loop = loop
        self._address = address
        self._context = context
        self._future = future
        self._ended = ended
        self._endpoints: list[Endpoint] = []
        self._sock: socket.socket | None = None
        self._timer: Timer | None = None
        self._retry: Timer | None = None
        self._error: OSError = system_error(-errno.EADDRNOTAVAIL)

    def start(self, timeout: float | None) -> None:
        """Begins; names are looked up on a thread of their own, since getaddrinfo(3) blocks.

        Args:
            timeout: Seconds until it fails with ``TimeoutError``; None for the system's patience.
        """
        if timeout is not None:
            self._timer = self._loop.schedule(timeout, self._time_out)
        if needs_lookup(self._address):
            self._guarded(threading.Thread(target=self._look_up, name="netcore-resolve", daemon=True).start)
        else:
            self._guarded(self._resolve)

    def ready(self, readiness: int) -> None:
        """The socket is writable or has failed: see which."""
        sock = self._sock
        if sock is None:
            return
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0:
            self._guarded(self._connected)
        else:
            self._next(system_error(-code))

    def fail(self, error: Exception) -> None:
        """Gives up."""
        self._drop_socket()
        self._finish()
        if not self._future.done():
            self._loop.counters.dial_failures += 1
            self._future.set_exception(error)

    def abandon(self) -> None:
        """Closes this process's copy of the socket, in a forked child; the parent's dial goes on."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except OSError as error:
            self._next(error)
        except Exception as error:
            self.fail(error)

    def _look_up(self) -> None:
        try:
            found: list[Endpoint] | Exception = resolve(self._address)
        except Exception as error:  # UnicodeError too, for a name that IDNA cannot encode
            found = error
        self._loop.post(self._looked_up, found)

    def _looked_up(self, found: list[Endpoint] | Exception) -> None:
        if self._future.done():
            return
        if isinstance(found, Exception):
            self.fail(found)
            return
        self._endpoints = found
        self._next(self._error)

    def _resolve(self) -> None:
        self._endpoints = resolve(self._address)
        self._next(self._error)

    def _next(self, error: OSError) -> None:
        """Goes on with the next endpoint, or fails with the last error."""
        self._error = error
        self._drop_socket()
        if self._future.done():
            return
        if not self._endpoints:
            self.fail(naming(error, self._address))
            return
        self._guarded(self._connect)

    def _connect(self) -> None:
        endpoint = self._endpoints.pop(0)
        kind = socket.SOCK_DGRAM if self._address.is_datagram else socket.SOCK_STREAM
        self._sock = sock = socket.socket(endpoint.family, kind)
        sock.setblocking(False)
        self._loop.shared.socket_options.apply(sock)
        code = sock.connect_ex(endpoint.name)
        if code == 0:
            self._connected()
        elif code == errno.EAGAIN and self._address.network == "unix":
            self._endpoints.insert(0, endpoint)
            self._retry = self._loop.schedule(_RETRY, self._next, self._error)
        elif code in _IN_PROGRESS:
            self._loop.attend(sock.fileno(), self, Interest.WRITE)
        else:
            raise system_error(-code)

    def _connected(self) -> None:
        sock = self._sock
        assert sock is not None
        self._loop.neglect(sock.fileno())
        self._sock = None
        self._finish()
        try:
            network = "udp" if self._address.is_datagram else "tcp"
            remote = unpack_name(pack_name(sock.family, sock.getpeername()), network)
            local = address_of(sock)
        except OSError:  # reset in the very moment: the first receive will tell
            remote, local = self._address, None
        counters = self._loop.counters
        counters.dialled += 1
        try:
            self._future.set_result(self._loop.join(sock, remote, local, self._context))
        except Exception as error:
            counters.dialled -= 1
            counters.dial_failures += 1
            self._future.set_exception(error)

    def _time_out(self) -> None:
        self.fail(naming(system_error(-errno.ETIMEDOUT), self._address))

    def _drop_socket(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            self._loop.neglect(sock.fileno())
            sock.close()

    def _finish(self) -> None:
        self._ended(self)
        for timer in (self._timer, self._retry):
            if timer is not None:
                timer.cancel()
