"""Connecting to whichever of several endpoints answers first."""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

from netcore._native import error as system_error
from netcore._platform import AF_UNIX
from netcore.address import Address
from netcore.eventloop.site import Site
from netcore.handler import Timer
from netcore.poll import Interest
from netcore.sockets import Endpoint, unpack_name

__all__ = ["Dialled", "Race", "interleaved"]

_STAGGER = 0.25
"""Seconds until the next endpoint is tried besides one that has not answered; RFC 8305, section 8."""

_RETRY = 0.01
"""Seconds until a Unix listener with a full backlog is tried again: there connect(2) gives EAGAIN."""

_AT_ONCE = 16
"""Sockets that one dial has open at most, however many addresses a name may have."""

_NO_WAY = frozenset(
    {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ENETDOWN}
)
"""Errors that say only that this machine has no way there, as without IPv6: any other tells more."""


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


class Race:
    """Attempts at several endpoints as in RFC 8305 ("Happy Eyeballs"). On the loop's thread.

    The next one begins a quarter of a second after the last, or as soon as one fails. The first to be
    connected wins, and the others are closed. It has failed when all have.

    Args:
        site: The loop.
        address: What is being dialled.
        won: Called with the socket that is connected.
        lost: Called with the error when there will be none; an error that a peer or a router has caused is
            preferred to one of this machine's, and a later one to an earlier.
    """

    def __init__(
        self,
        site: Site,
        address: Address,
        won: Callable[[Dialled], object],
        lost: Callable[[Exception], object],
    ) -> None:
        self._site = site
        self._address = address
        self._won = won
        self._lost = lost
        self._ahead: deque[Endpoint] = deque()
        self._open: dict[int, _Attempt] = {}
        self._timer: Timer | None = None
        self._over = False
        self.error: OSError | None = None

    @property
    def fds(self) -> list[int]:
        """The sockets that are connecting."""
        return list(self._open)

    def start(self, endpoints: Iterable[Endpoint]) -> None:
        """Begins with the first endpoint, and changes the family with each next one."""
        self._ahead.extend(interleaved(endpoints))
        self._go_on()

    def stop(self) -> None:
        """Closes all sockets and tells nobody."""
        self._over = True
        self._won = self._lost = _tell_nobody
        self._ahead.clear()
        if self._timer is not None:
            self._timer.cancel()
        for attempt in list(self._open.values()):
            self._site.descriptors.close([self._forget(attempt)])

    def look(self) -> bool:
        """Asks all that are connecting whether they are, since the time is over: the loop may have been late.

        Returns:
            Whether one of them was.
        """
        return any(self._look(attempt) for attempt in list(self._open.values()))

    def _go_on(self) -> None:
        """Begins the next attempt; one that fails at once is followed by the next at once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            while self._ahead and len(self._open) < _AT_ONCE and not self._over:
                if self._begin(self._ahead.popleft()):
                    return
        except Exception as error:
            self._lose(error)
        if not self._open and not self._ahead and not self._over:
            self._lose(self.error or system_error(-errno.EADDRNOTAVAIL))

    def _begin(self, endpoint: Endpoint) -> bool:
        """Begins one attempt; returns whether it has not failed yet, or the race is over."""
        site = self._site
        kind = socket.SOCK_DGRAM if self._address.is_udp else socket.SOCK_STREAM
        try:
            fd, code = site.sockets.connect(endpoint, kind, site.shared.socket_options)
        except OSError as error:
            self._note(error)
            return False
        if fd < 0 and code == -errno.EAGAIN:
            self._ahead.appendleft(endpoint)
            self._timer = site.schedule(_RETRY, self._go_on)
            return True
        if fd < 0:
            self._note(system_error(code))
            return False
        attempt = self._open[fd] = _Attempt(fd, endpoint.family, self._look, self._lose)
        if code == 0:
            return self._connected(attempt)
        try:
            site.watchers.attend(fd, attempt, Interest.WRITE)
        except OSError as error:
            site.descriptors.close([self._forget(attempt)])
            self._note(error)
            return False
        if self._ahead:
            self._timer = site.schedule(_STAGGER, self._go_on)
        return True

    def _look(self, attempt: _Attempt) -> bool:
        """A socket is said to be writable, which is a hint: it is asked whether it is connected.

        Returns:
            Whether it is, and has won.
        """
        if self._open.get(attempt.fd) is not attempt:
            return False
        try:
            code = self._site.sockets.connected(attempt.fd)
            if code == 0 and self._connected(attempt):
                return True
            if code == -errno.EINPROGRESS:
                return False
        except Exception as error:
            self._lose(error)
            return False
        if code:
            self._site.descriptors.close([self._forget(attempt)])
            self._note(system_error(code))
        self._go_on()
        return False

    def _connected(self, attempt: _Attempt) -> bool:
        """Ends the race, unless the socket has met itself: such an attempt counts as refused.

        On loopback a SYN may go out from the very port that it goes to, where nobody listens. By RFC 9293,
        section 3.5, that is a simultaneous open, and so a connection.
        """
        sockets, fd = self._site.sockets, attempt.fd
        network = self._network(attempt.family)
        local: Address | None
        try:
            remote, local = unpack_name(sockets.remote_name(fd), network), sockets.local_address(fd)
        except OSError:  # reset in the very moment: the first receive will tell
            remote, local = self._address, None
        self._forget(attempt)
        if network != "unix" and local is not None and _end(local) == _end(remote):
            self._site.descriptors.reset(fd)  # a FIN would leave the port in TIME_WAIT
            self._note(system_error(-errno.ECONNREFUSED))
            return False
        won = self._won
        self.stop()
        won(Dialled(fd, attempt.family, network, remote, local))
        return True

    def _network(self, family: int) -> str:
        if family == AF_UNIX:
            return "unix"
        return "kcp" if self._address.is_kcp else "udp" if self._address.is_datagram else "tcp"

    def _note(self, error: OSError) -> None:
        if self.error is None or self.error.errno in _NO_WAY or error.errno not in _NO_WAY:
            self.error = error

    def _forget(self, attempt: _Attempt) -> int:
        del self._open[attempt.fd]
        self._site.watchers.neglect(attempt.fd)
        return attempt.fd

    def _lose(self, error: Exception) -> None:
        lost = self._lost
        self.stop()
        lost(error)


def _tell_nobody(outcome: object) -> None:
    """Stands where who dials was told: a race that is over keeps nobody."""


class _Attempt:
    """One socket that is connecting; a ``Watcher``."""

    __slots__ = ("_look", "_lose", "family", "fd")

    def __init__(
        self,
        fd: int,
        family: int,
        look: Callable[[_Attempt], object],
        lose: Callable[[Exception], object],
    ) -> None:
        self.fd = fd
        self.family = family
        self._look = look
        self._lose = lose

    def ready(self, readiness: int) -> None:
        """See ``Watcher.ready``."""
        self._look(self)

    def fault(self, error: Exception) -> None:
        """See ``Payer.fault``: the dial has failed."""
        self._lose(error)


def interleaved(endpoints: Iterable[Endpoint]) -> Iterator[Endpoint]:
    """Yields endpoints in their order, but the families by turns (RFC 8305, section 4)."""
    families: dict[int, list[Endpoint]] = {}
    for endpoint in endpoints:
        families.setdefault(endpoint.family, []).append(endpoint)
    for row in zip_longest(*families.values()):
        yield from (endpoint for endpoint in row if endpoint is not None)


def _end(address: Address) -> tuple[str, int, str]:
    return address.host, address.port, address.zone
