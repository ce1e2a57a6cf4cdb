"""Connecting without blocking, to one endpoint after the other until one answers."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from netcore._native import error as system_error
from netcore._platform import AF_UNIX
from netcore.address import Address
from netcore.eventloop.site import Site
from netcore.handler import Conn, Timer
from netcore.poll import Interest
from netcore.sockets import Endpoint, naming, needs_lookup, resolve, unpack_name

__all__ = ["Dial", "Dialled"]

_RETRY = 0.01
"""Seconds until a Unix listener with a full backlog is tried again: there connect(2) gives EAGAIN."""


@dataclass(frozen=True, slots=True)
class Dialled:
    """A socket that is connected, attached and not registered.

    Attributes:
        fd: The descriptor.
        family: Such as AF_INET.
        network: "tcp", "udp" or "unix".
        remote: The peer's address.
        local: This side's address; None to ask the system when it is wanted.
    """

    fd: int
    family: int
    network: str
    remote: Address
    local: Address | None


class Dial:
    """One call of ``dial``. On the loop's thread, but for the constructor.

    Args:
        site: The loop where the connection will live.
        address: Where to.
        future: What gets the connection, after its ``on_open``, or the error.
        connected: Called with the socket once it is connected; makes a connection of it, and calls
            ``succeed`` or ``fail``.
        ended: Called with this dial when either has come.

    Attributes:
        fd: The socket that is connecting; -1 for none.
        give_up_onward: Fails what has to pass after the socket is connected; None while nothing has to.
    """

    def __init__(
        self,
        site: Site,
        address: Address,
        future: Future[Conn],
        connected: Callable[[Dialled], object],
        ended: Callable[[Dial], object],
    ) -> None:
        self.fd = -1
        self.give_up_onward: Callable[[Exception], object] | None = None
        self._site = site
        self._address = address
        self._future = future
        self._hand_on = connected
        self._ended = ended
        self._family = 0
        self._endpoints: list[Endpoint] = []
        self._timer: Timer | None = None
        self._retry: Timer | None = None
        self._error: OSError = system_error(-errno.EADDRNOTAVAIL)

    def start(self, timeout: float | None) -> None:
        """Begins; names are looked up on a thread of their own, since getaddrinfo(3) blocks.

        Args:
            timeout: Seconds until it fails with ``TimeoutError``; None for the system's patience.
        """
        if timeout is not None:
            self._timer = self._site.schedule(timeout, self._time_out)
        if needs_lookup(self._address):
            self._guarded(threading.Thread(target=self._look_up, name="netcore-resolve", daemon=True).start)
        else:
            self._guarded(self._resolve)

    def ready(self, readiness: int) -> None:
        """The socket is said to be writable, which is a hint: it is asked whether it is connected."""
        if self.fd < 0:
            return
        code = self._site.sockets.connected(self.fd)
        if code == 0:
            self._guarded(self._connected)
        elif code != -errno.EINPROGRESS:
            self._next(system_error(code))

    def finish(self) -> None:
        """The attempt is over, and cannot fail any more by itself."""
        self._ended(self)
        for timer in (self._timer, self._retry):
            if timer is not None:
                timer.cancel()

    def succeed(self, conn: Conn) -> None:
        """The connection is open."""
        self._future.set_result(conn)

    def fail(self, error: Exception) -> None:
        """Gives up."""
        onward, self.give_up_onward = self.give_up_onward, None
        if onward is not None:
            onward(error)
        self._drop_socket()
        self.finish()
        if not self._future.done():
            self._site.counters.dial_failures += 1
            self._future.set_exception(error)

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
        self._site.post(self._looked_up, found)

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
        fd, code = self._site.sockets.connect(endpoint, kind, self._site.shared.socket_options)
        if code == -errno.EAGAIN and fd < 0:
            self._endpoints.insert(0, endpoint)
            self._retry = self._site.schedule(_RETRY, self._next, self._error)
            return
        if fd < 0:
            raise system_error(code)
        self.fd, self._family = fd, endpoint.family
        if code == 0:
            self._connected()
        else:
            self._site.watchers.attend(fd, self, Interest.WRITE)

    def _connected(self) -> None:
        fd, self.fd = self.fd, -1
        self._site.watchers.neglect(fd)
        network = "udp" if self._address.is_datagram else "unix" if self._family == AF_UNIX else "tcp"
        sockets = self._site.sockets
        local: Address | None
        try:
            remote, local = unpack_name(sockets.remote_name(fd), network), sockets.local_address(fd)
        except OSError:  # reset in the very moment: the first receive will tell
            remote, local = self._address, None
        self._hand_on(Dialled(fd, self._family, network, remote, local))

    def _time_out(self) -> None:
        self.fail(naming(system_error(-errno.ETIMEDOUT), self._address))

    def _drop_socket(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            self._site.watchers.neglect(fd)
            self._site.sockets.close([fd])
