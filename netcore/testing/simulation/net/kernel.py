"""The kernel of a simulated host: its descriptors, its ports, and its end by a crash."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from netcore._platform import AF_UNIX
from netcore.testing.simulation.net.datagrams import DatagramEndpoint
from netcore.testing.simulation.net.descriptors import OpenSocket
from netcore.testing.simulation.net.endpoint import Endpoint, Watcher
from netcore.testing.simulation.net.failures import failure
from netcore.testing.simulation.net.network import Ground, Network
from netcore.testing.simulation.net.streams import StreamEndpoint
from netcore.testing.simulation.net.unix import UnixEndpoint

__all__ = ["Kernel", "Network"]

_KINDS = ~(getattr(socket, "SOCK_NONBLOCK", 0) | getattr(socket, "SOCK_CLOEXEC", 0))
"""What of a socket's type is its type."""

_INTERNET = (socket.AF_INET, socket.AF_INET6)


def _tcp(kernel: Ground, family: int, proto: int) -> Endpoint:
    if proto not in (0, socket.IPPROTO_TCP):
        raise failure(errno.EPROTONOSUPPORT)
    return StreamEndpoint(kernel, family)


def _udp(kernel: Ground, family: int, proto: int) -> Endpoint:
    if proto not in (0, socket.IPPROTO_UDP):
        raise failure(errno.EPROTONOSUPPORT)
    return DatagramEndpoint(kernel, family)


def _unix(kind: int) -> Callable[[Ground, int, int], Endpoint]:
    return lambda kernel, family, proto: UnixEndpoint(kernel, kind)


_MAKERS: dict[tuple[int, int], Callable[[Ground, int, int], Endpoint]] = {
    **{(int(family), int(socket.SOCK_STREAM)): _tcp for family in _INTERNET},
    **{(int(family), int(socket.SOCK_DGRAM)): _udp for family in _INTERNET},
    **{(int(AF_UNIX), kind): _unix(kind) for kind in (int(socket.SOCK_STREAM), int(socket.SOCK_DGRAM))},
}
"""What makes a socket of a family and type."""


class Kernel(Ground):
    """A running kernel. It begins with its making, and ends with a crash; a restart is a new one.

    Args:
        network: The world's.
        host: The name of the host that it runs on.

    Attributes:
        descriptor_limit: How many descriptors may be open, RLIMIT_NOFILE of getrlimit(2); None for as many as
            one likes.
        descriptor_count: How many are.
    """

    def __init__(self, network: Network, host: str) -> None:
        super().__init__(network, host)
        self.descriptor_limit: int | None = None
        self.descriptor_count: int = 0
        network.boot(self)

    def check_room(self, count: int = 1) -> None:
        """Raises OSError if so many more descriptors cannot be opened (EMFILE)."""
        if self.descriptor_limit is not None and self.descriptor_count + count > self.descriptor_limit:
            raise failure(errno.EMFILE)

    def hold(self) -> bool:
        """Counts a descriptor that is no socket's; returns whether there is room for it."""
        if self.descriptor_limit is not None and self.descriptor_count >= self.descriptor_limit:
            return False
        self.descriptor_count += 1
        return True

    def let_go(self) -> None:
        """Ends one ``hold``."""
        self.descriptor_count -= 1

    def open(self, family: int, kind: int, proto: int = 0) -> int:
        """Opens a socket; socket(2). Returns its descriptor.

        Raises:
            OSError: There is no such kind of socket.
        """
        make = _MAKERS.get((int(family), int(kind) & _KINDS))
        if make is None:
            known = any(family == each for each, _ in _MAKERS)
            raise failure(errno.ESOCKTNOSUPPORT if known else errno.EAFNOSUPPORT)
        return self.add(make(self, int(family), max(int(proto), 0)))

    def pair(self, family: int, kind: int, proto: int = 0) -> tuple[int, int]:
        """Opens two sockets that are connected with each other; socketpair(2). Returns their descriptors.

        Raises:
            OSError: There is no such kind of pair (EOPNOTSUPP).
        """
        if family != AF_UNIX or kind & _KINDS != socket.SOCK_STREAM:
            raise failure(errno.EOPNOTSUPP)
        self.check_room(2)
        one, other = (UnixEndpoint(self, int(socket.SOCK_STREAM)) for _ in range(2))
        one.pair(other)
        return self.add(one), self.add(other)

    def add(self, endpoint: Endpoint) -> int:
        """Gives a socket a descriptor, such as one that was accepted."""
        if not self.alive:
            raise failure(errno.EBADF)
        return self._add(OpenSocket(endpoint, self.host))

    def _add(self, socket: OpenSocket) -> int:
        self.check_room()
        self.descriptor_count += 1
        return self.network.descriptors.add(socket)

    def file(self, fd: int) -> OpenSocket:
        """Returns what a descriptor and its duplicates have in common.

        Raises:
            OSError: It is closed, or that of another host (EBADF).
        """
        found = self.network.descriptors.get(fd)
        if found.owner != self.host:
            raise failure(errno.EBADF)
        return found

    def endpoint(self, fd: int) -> Endpoint:
        """Returns the socket that a descriptor stands for; OSError as of ``file``."""
        return self.file(fd).endpoint

    def dup(self, fd: int) -> int:
        """Returns a duplicate of a descriptor."""
        return self._add(self.file(fd))

    def is_inheritable(self, fd: int) -> bool:
        """Whether FD_CLOEXEC of a descriptor is off."""
        self.file(fd)
        return fd in self.network.descriptors.inheritable

    def set_inheritable(self, fd: int, inheritable: bool) -> None:
        """Sets FD_CLOEXEC of a descriptor, or takes it away."""
        self.file(fd)
        if inheritable:
            self.network.descriptors.inheritable.add(fd)
        else:
            self.network.descriptors.inheritable.discard(fd)

    def close(self, fd: int) -> None:
        """Ends a descriptor, and with the last one the socket."""
        self.file(fd)
        found = self.network.descriptors.remove(fd)
        self.descriptor_count -= 1
        if not found.references:
            found.endpoint.close()

    def watch(self, fd: int, watcher: Watcher) -> None:
        """Has a watcher called with the descriptor whenever its readiness may have changed."""
        self.endpoint(fd).watch(fd, watcher)

    def unwatch(self, fd: int, watcher: Watcher) -> None:
        """Ends that; nothing if it is not so, or the descriptor is closed."""
        try:
            endpoint = self.endpoint(fd)
        except OSError:
            return
        endpoint.unwatch(fd, watcher)

    def crash(self) -> None:
        """Ends in silence: no peer is told anything, and whatever is planned here does not happen."""
        self.alive = False
        descriptors = self.network.descriptors
        for fd in descriptors.of(self.host):
            found = descriptors.remove(fd)
            if not found.references:
                found.endpoint.vanish()
        for holder in self.tcp_ports.everybody():
            holder.vanish()
