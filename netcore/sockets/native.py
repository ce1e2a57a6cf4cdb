"""Batched socket I/O in C: one call, one release of the GIL, for all sockets of a turn."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from netcore._native import address, native
from netcore._platform import allocate_arena, socket_over
from netcore.address import Address
from netcore.sockets.connecting import begin_connect, connect_result
from netcore.sockets.files import send_file
from netcore.sockets.names import address_of, pack_name
from netcore.sockets.native_datagrams import NativeDatagrams
from netcore.sockets.objects import LONGEST_NAMES, socket_of
from netcore.sockets.options import SocketOptions
from netcore.sockets.protocol import Arena, Chunk
from netcore.sockets.resolving import Endpoint

if TYPE_CHECKING:
    from netcore._native._netcore import Array

__all__ = ["NativeSockets"]

BATCH = 256
"""Sockets taken in one receive, and connections in one accept."""

_BY_POINTER = 8192
"""Chunks from this size on go to the kernel where they lie; joining smaller ones is cheaper."""


class NativeSockets(NativeDatagrams):
    """``Sockets`` over ``src/sockets_posix.c``. Descriptors are all it keeps of a socket: nothing."""

    name = "native"
    detaches = True

    def __init__(self, receive_cap: int = 65536, arena_size: int = 262144) -> None:
        """Allocates the arena.

        Args:
            receive_cap: Bytes taken from one socket in one receive.
            arena_size: Bytes of the arena, at least ``receive_cap``.

        Raises:
            ImportError: netcore was built without its native part.
        """
        super().__init__(receive_cap)
        self._ffi, self._lib = native()
        self._receive_from: Callable[..., int] = self._lib.nc_receive_one
        self._send_to: Callable[..., int] = self._lib.nc_send_one
        self._receive_many: Callable[..., int] = self._lib.nc_receive
        self._send_many: Callable[..., int] = self._lib.nc_send
        self._unpack = self._ffi.unpack
        self._from_buffer = self._ffi.from_buffer
        self._null = self._ffi.NULL
        self._packers: dict[int, Callable[..., bytes]] = {}
        self._pack_size = struct.Struct("n").pack
        self._receive_cap = self.receive_cap = receive_cap
        self._arena_size = max(arena_size, receive_cap)
        self._results = self._ffi.new("intptr_t[]", BATCH)
        self._accepted = self._ffi.new("nc_socket[]", BATCH)
        self._names = self._ffi.new("unsigned char[]", BATCH * self._lib.NC_NAME_SIZE)
        self._error = self._ffi.new("int *")
        self._unsent = self._ffi.new("intptr_t[]", BATCH)
        self._unsent_size = BATCH
        self.arena: Arena
        self.renew_arena()

    def renew_arena(self) -> None:
        """See ``Sockets.renew_arena``."""
        arena = allocate_arena(self._arena_size)
        self._memory = self._ffi.from_buffer(arena)
        self.arena = arena

    def hot_calls(self) -> dict[str, int]:
        """Returns where C has what it needs to do the same by itself."""
        names = ("accept", "receive", "receive_one", "send", "send_one", "available", "close")
        return {"ring": 0, **{name: address(f"nc_{name}") for name in names}}

    def hot_arena(self) -> int:
        """Returns where the arena lies."""
        return address(self._memory)

    def attach(self, fd: int) -> None:
        """See ``Sockets.attach``."""

    def detach(self, fd: int) -> None:
        """See ``Releasing.detach``."""

    def accept(self, fd: int, limit: int) -> tuple[list[tuple[int, bytes]], int]:
        """See ``Sockets.accept``; accept4(2)."""
        n = self._lib.nc_accept(fd, min(limit, BATCH), self._accepted, self._names, self._error)
        if not n:
            return [], self._error[0]
        size = self._lib.NC_NAME_SIZE
        names = self._ffi.buffer(self._names, n * size)[:]
        starts = range(1, n * size, size)
        accepted = self._unpack(self._accepted, n)
        return [
            (fd, names[at : at + names[at - 1]]) for fd, at in zip(accepted, starts, strict=True)
        ], self._error[0]

    def connect(self, endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[int, int]:
        """See ``Sockets.connect``."""
        sock, code = begin_connect(endpoint, kind, options)
        if sock is None:
            return -1, code
        fd = sock.detach()
        self.attach(fd)
        return fd, code

    def connected(self, fd: int) -> int:
        """See ``Sockets.connected``."""
        sock = socket_over(fd, LONGEST_NAMES, socket.SOCK_STREAM, 0)
        try:
            return connect_result(sock)
        finally:
            sock.detach()

    def receive(self, fds: list[int]) -> list[int]:
        """See ``Sockets.receive``; recv(2)."""
        count = len(fds)
        if count == 1:
            return [self.receive_one(fds[0])]
        results = self._results
        n = self._receive_many(
            count if count <= BATCH else BATCH,
            self._from_buffer("nc_socket[]", self._packer(count)(*fds)),
            self._memory,
            self._arena_size,
            self._receive_cap,
            results,
        )
        return self._unpack(results, n)

    def receive_one(self, fd: int) -> int:
        """See ``SingleSockets.receive_one``."""
        return self._receive_from(fd, self._memory, self._receive_cap)

    def send_one(self, fd: int, chunk: Chunk) -> int:
        """See ``SingleSockets.send_one``."""
        return self._send_to(fd, chunk if type(chunk) is bytes else self._from_buffer(chunk), len(chunk))

    def send(self, fds: list[int], chunks: list[Chunk]) -> Sequence[tuple[int, int]]:
        """See ``Transport.send``: one system call for each socket, gathering its chunks."""
        count = len(fds)
        if count <= 1:
            n = self.send_one(fds[0], chunks[0]) if count else 0
            return ((0, n),) if n else ()
        if count > self._unsent_size:
            self._unsent_size = 2 * count
            self._unsent = self._ffi.new("intptr_t[]", self._unsent_size)
        lengths = list(map(len, chunks))
        size = lengths[0]
        if size < _BY_POINTER and lengths.count(size) == count:  # as small answers often are
            sizes = self._pack_size(size) * count
            troubled = self._send_batch(fds, sizes, b"".join(chunks), self._null)
        elif max(lengths) < _BY_POINTER:
            troubled = self._send_batch(fds, self._packer(count)(*lengths), b"".join(chunks), self._null)
        else:
            troubled = self._send_by_pointer(fds, chunks, lengths)
        if not troubled:
            return ()
        return [(i, n) for i, n in enumerate(self._unpack(self._unsent, count)) if n]

    def _packer(self, count: int) -> Callable[..., bytes]:
        """Makes what packs so many numbers, in half the time that cffi's own conversion of a list takes."""
        pack = self._packers.get(count)
        if pack is None:
            pack = struct.Struct(f"{count}n").pack
            if count <= BATCH:
                self._packers[count] = pack
        return pack

    def _send_by_pointer(self, fds: list[int], chunks: list[Chunk], lengths: list[int]) -> int:
        null, from_buffer = self._null, self._ffi.from_buffer
        small = [chunk for chunk in chunks if len(chunk) < _BY_POINTER]
        pointers = [from_buffer(chunk) if len(chunk) >= _BY_POINTER else null for chunk in chunks]
        return self._send_batch(fds, self._packer(len(fds))(*lengths), b"".join(small), pointers)

    def _send_batch(
        self,
        fds: list[int],
        lengths: bytes,
        joined: bytes,
        pointers: Sequence[Array[bytes]] | Array[bytes],
    ) -> int:
        count = len(fds)
        return self._send_many(
            count,
            self._from_buffer("nc_socket[]", self._packer(count)(*fds)),
            self._from_buffer("size_t[]", lengths),
            joined,
            pointers,
            self._unsent,
        )

    def sendfile(self, fd: int, file: int, offset: int, count: int) -> int:
        """See ``Transport.sendfile``."""
        return send_file(self.borrow, fd, file, offset, count)

    def shutdown_write(self, fd: int) -> None:
        """See ``Transport.shutdown_write``."""
        self._lib.nc_shutdown_write(fd)

    def close(self, fds: list[int]) -> None:
        """See ``Transport.close``."""
        self._lib.nc_close(len(fds), fds)

    def release(self, fds: list[int]) -> None:
        """See ``Transport.release``."""
        self._lib.nc_release(len(fds), fds)

    def reset(self, fd: int) -> None:
        """See ``Transport.reset``."""
        self._lib.nc_reset(fd)

    def local_address(self, fd: int) -> Address:
        """See ``Transport.local_address``."""
        with self.borrow(fd) as sock:
            return address_of(sock)

    def remote_name(self, fd: int) -> bytes:
        """See ``Transport.remote_name``."""
        with self.borrow(fd) as sock:
            return pack_name(sock.family, sock.getpeername())

    @contextmanager
    def borrow(self, fd: int) -> Iterator[socket.socket]:
        """See ``Transport.borrow``."""
        sock = socket_of(fd)
        try:
            yield sock
        finally:
            sock.detach()
