"""What stands for ``socket.socket`` in a simulated world: the same methods, over a simulated kernel.

A call that blocks has the world go on until it need not block any more, or until its time-out, see
``netcore.testing.simulation.current``.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from typing import IO, Any

from netcore._platform import AF_UNIX, SO_DOMAIN
from netcore.testing.simulation import current
from netcore.testing.simulation.net.descriptors import OpenSocket
from netcore.testing.simulation.net.failures import failure
from netcore.testing.simulation.net.handles import TO_READ, TO_WRITE, kernel_here
from netcore.testing.simulation.net.transfers import Transferring

__all__ = ["RealSocket", "SimulatedSocket", "dup", "fromfd", "socketpair"]

RealSocket = socket.socket
"""What is so called where no world runs."""
_PROTOCOL: int = getattr(socket, "SO_PROTOCOL", 38)


class SimulatedSocket(Transferring):
    """A socket of the host whose code runs; see ``socket.socket`` for every method.

    Raises:
        RuntimeError: No host's code runs.
    """

    # Names and connections

    def bind(self, address: Any) -> None:
        """Takes a local name."""
        self._open().endpoint.bind(self._name(address))

    def listen(self, backlog: int | None = None) -> None:
        """Takes connections from now on."""
        self._open().endpoint.listen(min(socket.SOMAXCONN, 128) if backlog is None else max(backlog, 0))

    def accept(self) -> tuple[SimulatedSocket, Any]:
        """Takes a connection."""
        file = self._open()
        self._kernel.check_room()
        endpoint, name = self._try(file.endpoint.accept, TO_READ, "accept")
        sock = self.__class__(self._family, self._kind, self._proto, self._kernel.add(endpoint))
        if socket.getdefaulttimeout() is None and self._timeout:
            sock.setblocking(True)
        return sock, name

    def connect(self, address: Any) -> None:
        """Connects."""
        file = self._open()
        endpoint = file.endpoint
        name = self._name(address)
        try:
            endpoint.connect(name)
            return
        except BlockingIOError as error:
            if error.errno == errno.EAGAIN and self._timeout is None and file.blocks:
                self._connect_when_there_is_room(file, name)
                return
            if error.errno != errno.EINPROGRESS or not self._waits(file):
                raise
        self._wait(file, TO_WRITE, self._deadline(), "connect")
        if self._timeout is not None:  # then the standard library asks, and the system's call does not know
            code = int(endpoint.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            if code:
                raise failure(code)
        endpoint.connect(name)  # which now says how it went

    def _connect_when_there_is_room(self, file: OpenSocket, name: Any) -> None:
        """Connects to a Unix listener whose backlog is full."""

        def there_is() -> bool:
            try:
                file.endpoint.connect(name)
            except BlockingIOError:
                return False
            return True

        current.wait(there_is, None, f"room in the backlog of {name!r}")

    def connect_ex(self, address: Any) -> int:
        """Connects, or returns the errno."""
        try:
            self.connect(address)
        except TimeoutError as error:
            return error.errno or errno.EAGAIN
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno is None:
                raise
            return error.errno
        return 0

    def disconnect(self) -> None:
        """Does what connect(2) to AF_UNSPEC does: resets a TCP connection, whoever else has it open.

        ``socket.socket`` has no such method; it is for ``netcore.sockets``. Of a Unix socket, which cannot be
        reset, it ends both directions.
        """
        self._open().endpoint.connect(None)

    def shutdown(self, how: int) -> None:
        """Ends one direction or both."""
        self._open().endpoint.shutdown(how)

    # Options

    def getsockopt(self, level: int, optname: int, buflen: int | None = None) -> Any:
        """Returns an option: a number, or as many bytes at most as are asked for."""
        endpoint = self._open().endpoint
        value: int | bytes
        if level == socket.SOL_SOCKET and optname == socket.SO_TYPE:
            value = endpoint.kind
        elif level == socket.SOL_SOCKET and optname == SO_DOMAIN:
            value = endpoint.family
        elif level == socket.SOL_SOCKET and optname == _PROTOCOL:
            value = endpoint.proto
        else:
            value = endpoint.getsockopt(level, optname)
        if not buflen:
            return value if isinstance(value, int) else int.from_bytes(value[:4], sys.byteorder, signed=True)
        return (struct.pack("i", value) if isinstance(value, int) else value)[:buflen]

    def setsockopt(self, level: int, optname: int, value: Any, optlen: int | None = None) -> None:
        """Sets an option to a number or bytes."""
        if value is None:
            value = bytes(optlen or 0)
        self._open().endpoint.setsockopt(level, optname, value if isinstance(value, int) else bytes(value))

    # Files

    makefile = RealSocket.makefile

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:
        """Sends a file, or so many bytes of it, by reading it."""
        if self._timeout == 0:
            raise ValueError("non-blocking sockets are not supported")
        if offset:
            file.seek(offset)
        total = 0
        while count is None or total < count:
            piece = file.read(8192 if count is None else min(count - total, 8192))
            if not piece:
                break
            self.sendall(piece)
            total += len(piece)
        return total


def dup(fd: int) -> int:
    """Stands for ``socket.dup``."""
    return kernel_here().dup(fd)


def fromfd(fd: int, family: int, type: int, proto: int = 0) -> SimulatedSocket:
    """Stands for ``socket.fromfd``."""
    return SimulatedSocket(family, type, proto, kernel_here().dup(fd))


def socketpair(
    family: int | None = None, type: int = socket.SOCK_STREAM, proto: int = 0
) -> tuple[SimulatedSocket, SimulatedSocket]:
    """Stands for ``socket.socketpair``."""
    kernel = kernel_here()
    chosen = AF_UNIX if family is None else family
    pair = kernel.pair(int(chosen), int(type), int(proto))
    one, other = (SimulatedSocket(chosen, type, proto, fd) for fd in pair)
    return one, other
