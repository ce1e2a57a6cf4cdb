"""What stands for ``socket.socket`` in a simulated world: the same methods, over a simulated kernel.

A call that blocks has the world go on until it need not block any more, or until its time-out, see
``netcore.testing.simulation.current``. One difference: an object that is collected without having been
closed gives the ``ResourceWarning``, but its socket stays open. When that happens is the garbage collector's
choice, which differs between interpreters, and the world must not depend on it.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
import warnings
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import IO, Any, TypeVar

from netcore._platform import AF_UNIX, NO_WAIT, SO_DOMAIN
from netcore.poll import Readiness
from netcore.testing.simulation import current
from netcore.testing.simulation.net.addresses import canonical
from netcore.testing.simulation.net.descriptors import OpenSocket
from netcore.testing.simulation.net.endpoint import Ancillary, Payload, Received
from netcore.testing.simulation.net.failures import failure
from netcore.testing.simulation.net.kernel import Kernel
from netcore.testing.simulation.net.streams import StreamEndpoint

__all__ = ["SimulatedSocket", "dup", "fromfd", "socketpair"]

_RealSocket = socket.socket

_NONBLOCK: int = getattr(socket, "SOCK_NONBLOCK", 0)
_FLAGS = _NONBLOCK | getattr(socket, "SOCK_CLOEXEC", 0)
_WAITALL: int = int(getattr(socket, "MSG_WAITALL", 0))
_PEEK = int(socket.MSG_PEEK)
_NO_WAIT = int(NO_WAIT)  # since operators of flags that are enums are slow
_PLAIN = (0, _NO_WAIT)
"""Flags of a receive that are none, or mean nothing on a socket that does not block."""
_PROTOCOL: int = getattr(socket, "SO_PROTOCOL", 38)

_ENDED = int(Readiness.HANGUP | Readiness.ERROR)
_TO_READ = int(Readiness.READABLE) | _ENDED
_TO_WRITE = int(Readiness.WRITABLE) | _ENDED

_space: Callable[[int], int] = getattr(socket, "CMSG_SPACE", lambda size: size + 16)

Result = TypeVar("Result")


def _flagged(kind: Callable[[int], int], number: int) -> int:
    """Returns a number as the one of its kind that has a name, as ``socket`` does, if there is one."""
    try:
        return kind(number)
    except ValueError:
        return number


def _kernel() -> Kernel:
    found = current.kernel()
    assert isinstance(found, Kernel)
    return found


class SimulatedSocket:
    """A socket of the host whose code runs; see ``socket.socket`` for every method.

    Raises:
        RuntimeError: No host's code runs.
    """

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        self._fd = -1
        self._closed = False
        self._io_refs = 0
        self._inheritable = False
        kernel = _kernel()
        if fileno is None:
            fd = kernel.open(
                socket.AF_INET if family == -1 else family, socket.SOCK_STREAM if type == -1 else type, proto
            )
        else:
            fd = fileno
        self._kernel = kernel
        self._file: OpenSocket = kernel.file(fd)
        self._table = kernel.network.descriptors.table
        self._fd = fd
        endpoint = self._file.endpoint
        self._take: Callable[[int], bytes] | None = getattr(endpoint, "take", None)  # see ``Stream``
        own = fileno is None
        self._family = _flagged(socket.AddressFamily, endpoint.family if own or family == -1 else int(family))
        self._kind = _flagged(socket.SocketKind, endpoint.kind if own or type == -1 else int(type) & ~_FLAGS)
        self._proto = endpoint.proto if fileno is not None and proto == -1 else max(int(proto), 0)
        self._timeout: float | None = None
        if type != -1 and type & _NONBLOCK:
            self._timeout = 0.0
            self._file.blocks = self._file.blocks and not own
        else:
            self._timeout = socket.getdefaulttimeout()
            if self._timeout is not None:
                self._file.blocks = False

    # What it is

    @property
    def family(self) -> int:
        """The address family."""
        return self._family

    @property
    def type(self) -> int:
        """The type, without flags."""
        return self._kind

    @property
    def proto(self) -> int:
        """The protocol."""
        return self._proto

    @property
    def timeout(self) -> float | None:
        """Seconds that a call may block; None for as long as it takes."""
        return self._timeout

    def __repr__(self) -> str:
        shown = f"<SimulatedSocket{' [closed]' if self._closed else ''} fd={self._fd}"
        shown += f", family={int(self._family)}, type={int(self._kind)}, proto={self._proto}"
        for label, ask in (("laddr", self.getsockname), ("raddr", self.getpeername)):
            try:
                name = ask()
            except OSError:
                continue
            if name:
                shown += f", {label}={name}"
        return f"{shown}>"

    def __getstate__(self) -> None:
        raise TypeError(f"cannot pickle {self.__class__.__name__!r} object")

    # Its descriptor

    def _open(self) -> OpenSocket:
        """What it has open.

        Raises:
            OSError: It is closed, or somebody has closed its descriptor (EBADF).
        """
        file = self._file
        if self._table.get(self._fd) is not file:
            raise failure(errno.EBADF)
        return file

    def fileno(self) -> int:
        """Returns the descriptor; -1 for none any more."""
        return self._fd

    def detach(self) -> int:
        """Lets go of the descriptor, which stays open, and returns it."""
        fd, self._fd = self._fd, -1
        self._closed = True
        return fd

    def dup(self) -> SimulatedSocket:
        """Returns an object over a duplicate of the descriptor."""
        self._open()
        copy = self.__class__(self._family, self._kind, self._proto, self._kernel.dup(self._fd))
        copy.settimeout(self._timeout)
        return copy

    def get_inheritable(self) -> bool:
        """Whether child processes would have it."""
        return self._inheritable

    def set_inheritable(self, inheritable: bool) -> None:
        """Notes whether child processes would have it; there are none here."""
        self._inheritable = bool(inheritable)

    def close(self) -> None:
        """Closes the descriptor, as soon as the files that were made of it are closed. Idempotent."""
        self._closed = True
        if self._io_refs <= 0:
            self._really_close()

    def _decref_socketios(self) -> None:
        if self._io_refs > 0:
            self._io_refs -= 1
        if self._closed:
            self.close()

    def _really_close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        file = self._file
        if self._table.get(fd) is not file:
            if self._kernel.alive:
                raise failure(errno.EBADF)
            return
        endpoint = file.endpoint
        lingers = 0.0
        if isinstance(endpoint, StreamEndpoint) and file.references == 1:
            lingers = endpoint.lingering()
        self._kernel.close(fd)
        if isinstance(endpoint, StreamEndpoint) and lingers:
            current.wait(endpoint.lingered, lingers, "the peer to have everything, as SO_LINGER asks")

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) < 0 or self._table.get(self._fd) is not self._file:
            return
        running = current.kernel_or_none()
        in_its_world = isinstance(running, Kernel) and running.network is self._kernel.network
        if in_its_world:  # else that has ended
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    def __enter__(self) -> SimulatedSocket:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: TracebackType | None) -> None:
        if not self._closed:
            self.close()

    # Blocking

    def setblocking(self, flag: bool) -> None:
        """Whether calls block; for all duplicates of the descriptor."""
        self.settimeout(None if flag else 0.0)

    def getblocking(self) -> bool:
        """Whether calls block."""
        self._open()
        return self._timeout != 0

    def settimeout(self, value: float | None) -> None:
        """Sets how many seconds a call may block."""
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        file = self._open()
        self._timeout = None if value is None else float(value)
        file.blocks = value is None

    def gettimeout(self) -> float | None:
        """Returns how many seconds a call may block."""
        return self._timeout

    def _waits(self, file: OpenSocket, flags: int = 0) -> bool:
        """Whether a call that would block is to wait."""
        if self._timeout is None:
            return file.blocks and not flags & _NO_WAIT
        return self._timeout > 0

    def _wait(self, file: OpenSocket, mask: int, deadline: float | None, what: str) -> None:
        """Lets the world go on until the socket is ready.

        Raises:
            TimeoutError: The time is over.
            OSError: Somebody has closed the descriptor meanwhile (EBADF).
        """
        now = self._kernel.scheduler.now
        left = None if deadline is None else max(deadline - now, 0.0)
        endpoint = file.endpoint
        if not current.wait(
            lambda: bool(endpoint.readiness() & mask), left, f"{self!r} to be ready to {what}"
        ):
            raise TimeoutError("timed out")
        self._open()

    def _deadline(self) -> float | None:
        return None if self._timeout is None else self._kernel.scheduler.now + self._timeout

    def _try(self, call: Callable[[], Result], mask: int, what: str, flags: int = 0) -> Result:
        """Does a call, and again when the socket is ready as long as that would block."""
        file = self._open()
        try:
            return call()
        except BlockingIOError:
            if not self._waits(file, flags):
                raise
        deadline = self._deadline()
        while True:
            self._wait(file, mask, deadline, what)
            try:
                return call()
            except BlockingIOError:
                continue

    # Names and connections

    def _name(self, name: Any) -> Any:
        """Puts an address in the place of a host's name, as the standard library does."""
        if self._family == AF_UNIX or not isinstance(name, tuple) or not name:
            return name
        host = name[0]
        if not isinstance(host, str) or not host or host == "<broadcast>" or canonical(host) is not None:
            return name
        found = socket.getaddrinfo(host, None, self._family, self._kind, self._proto)
        return (found[0][4][0], *name[1:])

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
        endpoint, name = self._try(file.endpoint.accept, _TO_READ, "accept")
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
        self._wait(file, _TO_WRITE, self._deadline(), "write, once connected")
        code = int(endpoint.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        if code:
            raise failure(code)
        endpoint.connect(name)  # which now says that it is so

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

    def getsockname(self) -> Any:
        """Returns the local name."""
        return self._open().endpoint.getsockname()

    def getpeername(self) -> Any:
        """Returns the peer's name."""
        return self._open().endpoint.getpeername()

    def shutdown(self, how: int) -> None:
        """Ends one direction or both."""
        self._open().endpoint.shutdown(how)

    # Receiving

    def _receive(self, size: int, flags: int) -> Received:
        file = self._file
        if self._table.get(self._fd) is not file:
            raise failure(errno.EBADF)
        if size < 0:
            raise ValueError("negative buffersize in recv")
        endpoint = file.endpoint
        try:
            received = endpoint.receive(size, flags)
        except BlockingIOError:
            if not self._waits(file, flags):
                raise
            received = self._try(lambda: endpoint.receive(size, flags), _TO_READ, "receive", flags)
        if flags & _WAITALL and self._kind == socket.SOCK_STREAM and self._waits(file, flags):
            return self._receive_all(received, size, flags)
        return received

    def _receive_all(self, received: Received, size: int, flags: int) -> Received:
        data = received.data
        peeking = flags & _PEEK
        while len(data) < size and received.data and not peeking:
            left = size - len(data)
            received = self._try(
                lambda left=left: self._file.endpoint.receive(left, flags),  # type: ignore[misc]
                _TO_READ,
                "receive",
            )
            data += received.data
        return received._replace(data=data)

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Receives."""
        if flags in _PLAIN and bufsize >= 0:
            data = self._take_now(bufsize, flags)
            if data is not None:
                return data
        return self._receive(bufsize, flags).data

    def _take_now(self, size: int, flags: int) -> bytes | None:
        """Receives from a stream without all that makes other receives dear; None if it is to wait."""
        take, file = self._take, self._file
        if take is None or self._table.get(self._fd) is not file:
            return None
        try:
            return take(size)
        except BlockingIOError:
            if not self._waits(file, flags):
                raise
        return None

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Any]:
        """Receives, and tells from whom."""
        received = self._receive(bufsize, flags)
        return received.data, received.name

    def recv_into(self, buffer: bytearray | memoryview, nbytes: int = 0, flags: int = 0) -> int:
        """Receives into a buffer."""
        if flags in _PLAIN and type(buffer) is memoryview and 0 < nbytes <= len(buffer):
            data = self._take_now(nbytes, flags) if buffer.format == "B" else None
            if data is not None:
                size = len(data)
                buffer[:size] = data
                return size
        return self._receive_into(buffer, nbytes, flags)[0]

    def recvfrom_into(
        self, buffer: bytearray | memoryview, nbytes: int = 0, flags: int = 0
    ) -> tuple[int, Any]:
        """Receives into a buffer, and tells from whom."""
        n, received = self._receive_into(buffer, nbytes, flags)
        return n, received.name

    def _receive_into(self, buffer: bytearray | memoryview, nbytes: int, flags: int) -> tuple[int, Received]:
        if nbytes < 0:
            raise ValueError("negative buffersize in recv_into")
        view = memoryview(buffer)
        if view.itemsize != 1 or view.ndim != 1 or view.format != "B":
            view = view.cast("B")
        if nbytes > view.nbytes:
            raise ValueError("nbytes is greater than the length of the buffer")
        received = self._receive(nbytes or view.nbytes, flags)
        data = received.data
        size = len(data)
        view[:size] = data
        return max(size, received.length), received

    def recvmsg(self, bufsize: int, ancbufsize: int = 0, flags: int = 0) -> tuple[bytes, Any, int, Any]:
        """Receives, with control messages."""
        received = self._receive(bufsize, flags)
        return received.data, _fitting(received.ancillary, ancbufsize), received.flags, received.name

    def recvmsg_into(
        self, buffers: Iterable[bytearray | memoryview], ancbufsize: int = 0, flags: int = 0
    ) -> tuple[int, Any, int, Any]:
        """Receives into buffers, with control messages."""
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        received = self._receive(sum(map(len, views)), flags)
        at = 0
        for view in views:
            piece = received.data[at : at + len(view)]
            view[: len(piece)] = piece
            at += len(piece)
        size = max(len(received.data), received.length)
        return size, _fitting(received.ancillary, ancbufsize), received.flags, received.name

    # Sending

    def _send(self, data: Payload, flags: int, name: Any = None, ancillary: Ancillary = ()) -> int:
        file = self._file
        if self._table.get(self._fd) is not file:
            raise failure(errno.EBADF)
        endpoint = file.endpoint
        try:
            sent = endpoint.send(data, flags, name, ancillary)
        except BlockingIOError:
            if not self._waits(file, flags):
                raise
            sent = self._try(lambda: endpoint.send(data, flags, name, ancillary), _TO_WRITE, "send", flags)
        if sent < len(data) and self._timeout is None and self._waits(file, flags):
            return self._send_rest(memoryview(data)[sent:], sent, flags)
        return sent

    def _send_rest(self, rest: memoryview, sent: int, flags: int) -> int:
        """What send(2) does on a socket that blocks: it takes everything."""
        endpoint = self._file.endpoint
        while rest:
            n = self._try(lambda rest=rest: endpoint.send(rest, flags), _TO_WRITE, "send")  # type: ignore[misc]
            rest = rest[n:]
            sent += n
        return sent

    def send(self, data: Payload, flags: int = 0) -> int:
        """Sends, and returns how many bytes were taken."""
        return self._send(_plain(data), flags)

    def sendall(self, data: Payload, flags: int = 0) -> None:
        """Sends all of it."""
        rest = memoryview(_plain(data))
        file = self._open()
        deadline = self._deadline()
        while True:
            try:
                rest = rest[file.endpoint.send(rest, flags) :]
                if not rest:
                    return
            except BlockingIOError:
                pass
            if not self._waits(file, flags):
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            self._wait(file, _TO_WRITE, deadline, "send")

    def sendto(self, data: Payload, *args: Any) -> int:
        """Sends to a name: ``sendto(data, address)`` or ``sendto(data, flags, address)``."""
        if not 1 <= len(args) <= 2:
            raise TypeError(f"sendto() takes 2 or 3 arguments ({1 + len(args)} given)")
        flags, address = args if len(args) == 2 else (0, args[0])
        return self._send(_plain(data), flags, self._name(address))

    def sendmsg(
        self, buffers: Iterable[Payload], ancdata: Iterable[Any] = (), flags: int = 0, address: Any = None
    ) -> int:
        """Sends several buffers as one, with control messages."""
        data = b"".join(bytes(buffer) for buffer in buffers)
        name = None if address is None else self._name(address)
        ancillary = [(level, kind, bytes(value)) for level, kind, value in ancdata]
        return self._send(data, flags, name, ancillary)

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

    makefile = _RealSocket.makefile

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


def _plain(data: Payload) -> Payload:
    """Makes bytes, or a view of bytes, of whatever can be sent."""
    if type(data) is bytes:
        return data
    view = memoryview(data)
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


def _fitting(ancillary: Ancillary, size: int) -> list[tuple[int, int, bytes]]:
    """What of control messages a buffer of so many bytes has room for."""
    fitting: list[tuple[int, int, bytes]] = []
    for level, kind, data in ancillary:
        size -= _space(len(data))
        if size < 0:
            break
        fitting.append((level, kind, data))
    return fitting


def dup(fd: int) -> int:
    """Stands for ``socket.dup``."""
    return _kernel().dup(fd)


def fromfd(fd: int, family: int, type: int, proto: int = 0) -> SimulatedSocket:
    """Stands for ``socket.fromfd``."""
    return SimulatedSocket(family, type, proto, _kernel().dup(fd))


def socketpair(
    family: int | None = None, type: int = socket.SOCK_STREAM, proto: int = 0
) -> tuple[SimulatedSocket, SimulatedSocket]:
    """Stands for ``socket.socketpair``."""
    kernel = _kernel()
    chosen = family if family is not None else (AF_UNIX or socket.AF_INET)
    pair = kernel.pair(int(chosen), int(type), int(proto))
    one, other = (SimulatedSocket(chosen, type, proto, fd) for fd in pair)
    return one, other
