"""Unix sockets of one host: streams without a net in between, and the files that they are bound to.

What a call gives in each state, and what a poller tells, is that of Linux (net/unix/af_unix.c). Everything
happens at once, as there: a connection stands before it is accepted, and bytes are with the peer when send(2)
returns.
"""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from typing import Any

from netcore._platform import AF_UNIX, SO_ACCEPTCONN
from netcore.poll import Readiness
from netcore.testing.simulation.net.bytequeue import ByteQueue, first
from netcore.testing.simulation.net.endpoint import PEEK, Ancillary, Payload, Received, Watched
from netcore.testing.simulation.net.failures import failure, would_block
from netcore.testing.simulation.net.listening import LONGEST_BACKLOG
from netcore.testing.simulation.net.network import Ground
from netcore.testing.simulation.net.options import StreamOptions

__all__ = ["UnixEndpoint"]


_BUFFER = 212_992
_LONGEST_NAME = 108

_READABLE = int(Readiness.READABLE)
_WRITABLE = int(Readiness.WRITABLE)
_HANGUP = int(Readiness.HANGUP)
_ERROR = int(Readiness.ERROR)

_CLOSED, _LISTENING, _ESTABLISHED = range(3)


class UnixEndpoint(Watched):
    """A Unix socket. One of SOCK_DGRAM can be bound and connected only, which tells who is there.

    Args:
        kernel: Of the host that it is on.
        kind: SOCK_STREAM or SOCK_DGRAM.

    Attributes:
        kernel: See above, as for the kind.
        family: AF_UNIX.
        kind: See above.
        proto: 0.
        alive: Whether the program has it open.
    """

    def __init__(self, kernel: Ground, kind: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.family: int = int(AF_UNIX)
        self.kind = kind
        self.proto = 0
        self.alive: bool = True
        self._options = StreamOptions(self.family, _BUFFER, _BUFFER)
        self._state = _CLOSED
        self._name: str | bytes = ""
        self._key: str | bytes | None = None
        self._error = 0
        self._read_shut = self._write_shut = False
        self._queue = ByteQueue()
        self._hungry = False  # whether somebody waits for room at the peer
        self._peer: UnixEndpoint | None = None
        self._peer_name: str | bytes = ""
        self._waiting: deque[UnixEndpoint] = deque()
        self._limit = 0

    @property
    def _flow(self) -> str:
        named = self._name or self._peer_name
        return f"unix:{named!r}" if isinstance(named, bytes) else f"unix:{named}"

    def pair(self, other: UnixEndpoint) -> None:
        """Connects two without a listener; socketpair(2)."""
        self._peer, other._peer = other, self
        self._state = other._state = _ESTABLISHED

    # Names

    def bind(self, name: object) -> None:
        """See ``Endpoint.bind``. The parents of a path need not exist."""
        shown, key = _name_of(name)
        if self._key is not None or self._state != _CLOSED:
            raise failure(errno.EINVAL)
        if isinstance(key, bytes):
            if key in self.kernel.abstract_names:
                raise failure(errno.EADDRINUSE)
            self.kernel.abstract_names[key] = self
        else:
            self.kernel.files.make(key, self)
        self._name, self._key = shown, key

    def getsockname(self) -> Any:
        """See ``Endpoint.getsockname``."""
        return self._name

    def getpeername(self) -> Any:
        """See ``Endpoint.getpeername``."""
        if self._state != _ESTABLISHED:
            raise failure(errno.ENOTCONN)
        return self._peer_name

    # Connections

    def listen(self, backlog: int) -> None:
        """See ``Endpoint.listen``."""
        if self.kind != socket.SOCK_STREAM:
            raise failure(errno.EOPNOTSUPP)
        if self._state == _ESTABLISHED or self._key is None:
            raise failure(errno.EINVAL)
        self._limit = min(backlog, LONGEST_BACKLOG) if backlog >= 0 else LONGEST_BACKLOG
        self._state = _LISTENING
        self.changed()

    def accept(self) -> tuple[UnixEndpoint, Any]:
        """See ``Endpoint.accept``."""
        if self.kind != socket.SOCK_STREAM:
            raise failure(errno.EOPNOTSUPP)
        if self._state != _LISTENING or self._read_shut:
            raise failure(errno.EINVAL)
        if not self._waiting:
            raise would_block()
        child = self._waiting.popleft()
        return child, child._peer_name

    def connect(self, name: object) -> None:
        """See ``Endpoint.connect``. None, which Linux refuses here, ends both directions."""
        if name is None:
            self.shutdown(socket.SHUT_RDWR)
            return
        shown, key = _name_of(name)
        found = self.kernel.abstract_names.get(key) if isinstance(key, bytes) else self._behind(key)
        if not isinstance(found, UnixEndpoint) or not found.alive:
            raise failure(errno.ECONNREFUSED)
        if found.kind != self.kind:
            raise failure(errno.EPROTOTYPE)
        if self.kind != socket.SOCK_STREAM:
            return
        if found._state != _LISTENING or found._read_shut:
            raise failure(errno.ECONNREFUSED)
        if len(found._waiting) > found._limit:
            raise would_block()
        if self._state != _CLOSED:
            raise failure(errno.EISCONN if self._state == _ESTABLISHED else errno.EINVAL)
        child = UnixEndpoint(self.kernel, self.kind)
        child._options = found._options.inherited()
        child._name = found._name
        child._peer_name = self._name
        self._peer_name = shown
        self.pair(child)
        self._read_shut = self._write_shut = False
        number = self._note("connect")
        child._note("accept", 0, number)
        found._waiting.append(child)
        found.changed()
        self.changed()

    def _behind(self, path: str) -> object:
        file = self.kernel.files.get(path)
        if file is None:
            raise failure(errno.ENOENT)
        return file.endpoint

    # Bytes

    def send(self, data: Payload, flags: int = 0, name: object = None, ancillary: Ancillary = ()) -> int:
        """See ``Endpoint.send``."""
        if self.kind != socket.SOCK_STREAM:
            raise failure(errno.EOPNOTSUPP)
        if name is not None:
            raise failure(errno.EISCONN if self._state == _ESTABLISHED else errno.EOPNOTSUPP)
        peer = self._peer
        if peer is None:
            raise failure(errno.ENOTCONN)
        if self._write_shut or not peer.alive or peer._read_shut:
            raise failure(errno.EPIPE)
        if not data:
            return 0
        room = self._options.send_buffer - peer._queue.size
        if len(data) > room:
            self._hungry = True
            if room <= 0:
                raise would_block()
        taken = first(data, room)
        self._note("send", len(taken), -1, taken)
        peer._queue.put(taken)
        peer.changed()
        return len(taken)

    def receive(self, size: int, flags: int = 0) -> Received:
        """See ``Endpoint.receive``."""
        if flags & PEEK and self._queue.size:
            return Received(self._queue.peek(size))
        return Received(self.take(size))

    def take(self, size: int) -> bytes:
        """Receives without flags; see ``Stream``."""
        if self._state != _ESTABLISHED:
            raise failure(errno.EINVAL if self.kind == socket.SOCK_STREAM else errno.EOPNOTSUPP)
        queue = self._queue
        if queue.size:
            data = queue.take(size)
            peer = self._peer
            if peer is not None and peer._hungry and peer._has_room():
                peer._hungry = False
                peer.changed()
            return data
        if self._error:
            raise failure(self._take_error())
        if self._read_shut:
            return b""
        raise would_block()

    def _has_room(self) -> bool:
        """Whether at most a quarter of the buffer is taken: unix_writable of Linux."""
        peer = self._peer
        return peer is None or 4 * peer._queue.size <= self._options.send_buffer

    def _take_error(self) -> int:
        code, self._error = self._error, 0
        return code

    # Ends

    def shutdown(self, how: int) -> None:
        """See ``Endpoint.shutdown``; unix_shutdown of Linux, which does so without a peer, too."""
        if how not in (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR):
            raise failure(errno.EINVAL)
        reading, writing = how != socket.SHUT_WR, how != socket.SHUT_RD
        self._read_shut = self._read_shut or reading
        self._write_shut = self._write_shut or writing
        peer = self._peer
        if peer is not None and peer.alive:
            if writing and not peer._read_shut:
                self._note("fin")
            peer._read_shut = peer._read_shut or writing
            peer._write_shut = peer._write_shut or reading
            peer.changed()
        self.changed()

    def close(self) -> None:
        """See ``Endpoint.close``; unix_release_sock of Linux."""
        self._end(bool(self._queue.size))
        self._watchers = ()
        while self._waiting:
            self._waiting.popleft()._end(True)
        if isinstance(self._key, bytes):
            self.kernel.abstract_names.pop(self._key, None)

    def _end(self, unread: bool) -> None:
        """Tells the peer that this end is no more.

        Args:
            unread: Whether bytes are lost thereby, which are the peer's.
        """
        self.alive = False
        peer = self._peer
        if peer is not None and peer.alive:
            self._note("rst" if unread else "fin")
            if unread:
                peer._error = errno.ECONNRESET
            peer._read_shut = peer._write_shut = True
            peer.changed()
        self._queue.clear()

    def vanish(self) -> None:
        """See ``Endpoint.vanish``; the peer vanishes along with it."""
        self.alive = False

    # Readiness and options

    def waits(self) -> str:
        """See ``Endpoint.waits``."""
        if self._waiting:
            return f"{self._flow}: connections to be accepted: {len(self._waiting)}"
        return f"{self._flow}: {self._queue.size} bytes are not received yet" if self._queue.size else ""

    def readiness(self) -> int:
        """See ``Endpoint.readiness``; unix_poll of Linux."""
        if self._state == _LISTENING:
            found = _READABLE if self._waiting or self._read_shut else 0
            return found | (_HANGUP if self._read_shut and self._write_shut else 0)
        found = _ERROR if self._error else 0
        if (self._read_shut and self._write_shut) or (
            self._state == _CLOSED and self.kind == socket.SOCK_STREAM
        ):
            found |= _HANGUP
        if self._read_shut or self._queue.size:
            found |= _READABLE
        if self._has_room():
            found |= _WRITABLE
        else:
            self._hungry = True
        return found

    def getsockopt(self, level: int, option: int) -> int | bytes:
        """See ``Endpoint.getsockopt``."""
        if level == socket.SOL_SOCKET and option == socket.SO_ERROR:
            return self._take_error()
        if level == socket.SOL_SOCKET and option == SO_ACCEPTCONN:
            return int(self._state == _LISTENING)
        return self._options.get(level, option)

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """See ``Endpoint.setsockopt``."""
        self._options.set(level, option, value)

    def _note(self, kind: str, size: int = 0, cause: int = -1, data: bytes = b"") -> int:
        kernel = self.kernel
        return kernel.trace.add(kind, kernel.host, kernel.host, self._flow, "", size, cause, data)


def _name_of(name: object) -> tuple[str | bytes, str | bytes]:
    """Returns a name as ``getsockname`` shows it, and what it is found by: text for a file, bytes for none.

    Raises:
        TypeError: It is neither text nor bytes.
        OSError: It is too long, in the words of the standard library; or empty (EINVAL).
    """
    if not isinstance(name, (str, bytes, bytearray)):
        raise TypeError(f"a Unix socket's name is text or bytes, not {type(name).__name__}")
    raw = os.fsencode(name) if isinstance(name, str) else bytes(name)
    if len(raw) > _LONGEST_NAME - (raw[:1] != b"\0"):
        raise OSError("AF_UNIX path too long")
    if not raw:
        raise failure(errno.EINVAL)
    if raw[:1] == b"\0":
        return raw, raw
    path = os.fsdecode(raw.partition(b"\0")[0])
    return path, os.path.abspath(path)
