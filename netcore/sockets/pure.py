"""Batched socket I/O in plain Python over the standard library: the reference, and the fallback."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from netcore._platform import NO_SIGNAL, NO_WAIT, allocate_arena
from netcore.address import Address
from netcore.sockets.connecting import begin_connect, connect_result
from netcore.sockets.ending import end_orderly, end_with_reset
from netcore.sockets.files import send_file
from netcore.sockets.names import address_of, pack_name
from netcore.sockets.objects import socket_of
from netcore.sockets.options import SocketOptions, guard
from netcore.sockets.protocol import Arena, Chunk
from netcore.sockets.pure_datagrams import PureDatagrams
from netcore.sockets.resolving import Endpoint

__all__ = ["PureSockets"]

_STILLBORN = frozenset(
    getattr(errno, name, None)
    for name in (
        "ECONNABORTED",
        "ECONNRESET",
        "EPROTO",
        "ENETDOWN",
        "ENOPROTOOPT",
        "EHOSTDOWN",
        "EHOSTUNREACH",
        "EOPNOTSUPP",
        "ENETUNREACH",
    )
)
"""Errors of a connection that died in the queue, not of the listener: accept(2) says to go on."""


def _code(error: OSError) -> int:
    return -(error.errno or errno.EIO)


class PureSockets(PureDatagrams):
    """``Sockets`` over ``socket.socket`` objects, one per attached descriptor."""

    name = "pure"
    detaches = True

    def __init__(self, receive_cap: int = 65536, arena_size: int = 262144) -> None:
        """Allocates the arena.

        Args:
            receive_cap: Bytes taken from one socket in one receive.
            arena_size: Bytes of the arena, at least ``receive_cap``.
        """
        self._sockets: dict[int, socket.socket] = {}
        super().__init__(self._sockets, receive_cap)
        self._receive_cap = receive_cap
        self._arena_size = max(arena_size, receive_cap)
        self.arena: Arena
        self.renew_arena()

    def renew_arena(self) -> None:
        """See ``Sockets.renew_arena``."""
        arena = allocate_arena(self._arena_size)
        self._memory = memoryview(arena)
        self.arena = arena

    def attach(self, fd: int) -> None:
        """See ``Sockets.attach``."""
        self._sockets[fd] = sock = socket_of(fd)  # before anything can fail: ``reset`` closes it all the same
        sock.setblocking(False)

    def detach(self, fd: int) -> None:
        """See ``Releasing.detach``."""
        self._sockets.pop(fd).detach()

    def accept(self, fd: int, limit: int) -> tuple[list[tuple[int, bytes]], int]:
        """See ``Sockets.accept``."""
        listener = self._sockets[fd]
        listener.setblocking(False)  # somebody with a duplicate may have changed that for all of them
        accepted: list[tuple[int, bytes]] = []
        for _ in range(limit):
            try:
                sock, name = listener.accept()
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                if error.errno in _STILLBORN:
                    continue
                return accepted, _code(error)
            sock.setblocking(False)
            guard(sock)
            accepted.append((sock.detach(), pack_name(listener.family, name)))
        return accepted, 0

    def connect(self, endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[int, int]:
        """See ``Sockets.connect``."""
        sock, code = begin_connect(endpoint, kind, options)
        if sock is None:
            return -1, code
        fd = sock.fileno()
        self._sockets[fd] = sock
        return fd, code

    def connected(self, fd: int) -> int:
        """See ``Sockets.connected``."""
        return connect_result(self._sockets[fd])

    def receive(self, fds: list[int]) -> list[int]:
        """See ``Sockets.receive``."""
        results: list[int] = []
        used = 0
        for fd in fds:
            if self._arena_size - used < self._receive_cap:
                break
            try:
                n = self._sockets[fd].recv_into(self._memory[used:], self._receive_cap, NO_WAIT)
            except OSError as error:
                results.append(_code(error))
            else:
                results.append(n)
                used += n
        return results

    def send(self, fds: list[int], chunks: list[Chunk]) -> Sequence[tuple[int, int]]:
        """See ``Transport.send``."""
        left: list[tuple[int, int]] = []
        troubled: set[int] = set()
        for start, end in _runs(fds):
            fd, run = fds[start], chunks[start:end]
            sent = 0 if fd in troubled else self._send_run(fd, run)
            exceptions = _left_over(start, run, sent)
            if exceptions:
                troubled.add(fd)
                left += exceptions
        return left

    def _send_run(self, fd: int, run: list[Chunk]) -> int:
        data = run[0] if len(run) == 1 else b"".join(run)
        if not data:
            return 0
        try:
            return self._sockets[fd].send(data, NO_SIGNAL | NO_WAIT)
        except OSError as error:
            # ENOBUFS is passing trouble below the socket: try again later, as if it were full.
            would_block = isinstance(error, BlockingIOError) or error.errno == errno.ENOBUFS
            return 0 if would_block else _code(error)

    def sendfile(self, fd: int, file: int, offset: int, count: int) -> int:
        """See ``Transport.sendfile``."""
        return send_file(self.borrow, fd, file, offset, count)

    def shutdown_write(self, fd: int) -> None:
        """See ``Transport.shutdown_write``."""
        with suppress(OSError):  # the peer has reset it: there is nobody to send a FIN to
            self._sockets[fd].shutdown(socket.SHUT_WR)

    def close(self, fds: list[int]) -> None:
        """See ``Transport.close``."""
        for fd in fds:
            end_orderly(self._sockets.pop(fd))

    def release(self, fds: list[int]) -> None:
        """See ``Transport.release``."""
        for fd in fds:
            with suppress(OSError):  # as close(2): the descriptor is gone whatever it says
                self._sockets.pop(fd).close()

    def reset(self, fd: int) -> None:
        """See ``Transport.reset``."""
        end_with_reset(self._sockets.pop(fd))

    def local_address(self, fd: int) -> Address:
        """See ``Transport.local_address``."""
        return address_of(self._sockets[fd])

    def remote_name(self, fd: int) -> bytes:
        """See ``Transport.remote_name``."""
        sock = self._sockets[fd]
        return pack_name(sock.family, sock.getpeername())

    @contextmanager
    def borrow(self, fd: int) -> Iterator[socket.socket]:
        """See ``Transport.borrow``."""
        yield self._sockets[fd]


def _runs(fds: list[int]) -> Iterator[tuple[int, int]]:
    """Yields start and end of each run of equal neighbours."""
    start = 0
    for i in range(1, len(fds) + 1):
        if i == len(fds) or fds[i] != fds[start]:
            yield start, i
            start = i


def _left_over(start: int, run: list[Chunk], sent: int) -> list[tuple[int, int]]:
    """Tells what of a run was not sent, as ``Transport.send`` does; ``sent`` may be a negative errno."""
    left: list[tuple[int, int]] = []
    if sent < 0:
        left.append((start, sent))
        start, run, sent = start + 1, run[1:], 0
    for i, chunk in enumerate(run, start):
        part = min(sent, len(chunk))
        sent -= part
        if part < len(chunk):
            left.append((i, len(chunk) - part))
    return left
