"""Datagrams in C: up to 256 received, or all of a turn sent, in one call and one release of the GIL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING

from netcore._native import address, native
from netcore._platform import allocate_arena
from netcore.sockets.protocol import Arena, Chunk

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from netcore._native._netcore import Array

__all__ = ["NativeDatagrams"]

_BATCH = 256
"""Datagrams taken from one socket in one receive."""

_NAME = 48
"""Bytes that the packed name of an IPv6 peer needs with a destination behind it, rounded up."""

_BY_POINTER = 8192
"""As in sending streams: from this size on a chunk goes to the kernel where it lies."""


_WORTH_SPLITTING = 4
"""From so many pieces on it pays to have them taken out in one call."""


@lru_cache(maxsize=256)
def _splitter(count: int, size: int, stride: int) -> Callable[[Buffer], tuple[bytes, ...]]:
    """Makes what takes ``count`` pieces of one size out of a buffer; a third of the price of slicing it."""
    piece = f"{size}s{stride - size}x"
    return Struct(piece * (count - 1) + f"{size}s").unpack_from


class NativeDatagrams:
    """The datagram half of ``NativeSockets``, over ``src/datagrams_posix.c``."""

    def __init__(self, receive_cap: int) -> None:
        """Allocates nothing large before the first datagram.

        Args:
            receive_cap: The longest datagram that is received whole, in bytes.
        """
        ffi, self._datagram_lib = native()
        self._ffi_unpack = ffi.unpack
        self._ffi_buffer = ffi.buffer
        self._ffi_from_buffer = ffi.from_buffer
        self._no_pointers = ffi.NULL
        self._longest = receive_cap
        self._slot = self._datagram_lib.NC_DATAGRAM_SLOT
        self._lengths = ffi.new("intptr_t[]", _BATCH)
        self._senders = ffi.new("unsigned char[]", _BATCH * _NAME)
        self._name_size = ffi.new("int *")
        self._ended_by = ffi.new("int *")
        self._failures = ffi.new("intptr_t[]", _BATCH)
        self._failures_size = _BATCH
        self._slots: Arena | None = None

    def hot_datagrams(self) -> dict[str, int]:
        """Returns where C has what it needs to do the same by itself."""
        return {name: address(f"nc_{name}_datagrams") for name in ("receive", "send")}

    def hot_slots(self) -> int:
        """Returns where datagrams are received into: until the next receive, of whichever socket."""
        self._take_slots()
        return address(self._slots_memory)

    def _take_slots(self) -> Arena:
        if self._slots is None:
            # Address space, most of which only long datagrams turn into memory.
            self._slots = allocate_arena(_BATCH * (self._slot + self._longest))
            self._slots_memory = self._ffi_from_buffer(self._slots)
        return self._slots

    def receive_datagrams(self, fd: int, limit: int) -> tuple[list[tuple[bytes | None, bytes]], int]:
        """See ``Sockets.receive_datagrams``; recvmmsg(2)."""
        slots = self._slots or self._take_slots()
        n = self._datagram_lib.nc_receive_datagrams(
            fd,
            _BATCH,
            limit if limit < _BATCH else _BATCH,
            self._slots_memory,
            self._longest,
            self._lengths,
            self._senders,
            self._name_size,
            self._ended_by,
        )
        if not n:
            return [], self._ended_by[0]
        lengths = self._ffi_unpack(self._lengths, n)
        size = lengths[0]
        payloads: Sequence[bytes | None]
        if n >= _WORTH_SPLITTING and 0 <= size <= self._slot and lengths.count(size) == n:
            payloads = _splitter(n, size, self._slot)(slots)
        else:
            payloads = self._cut(slots, lengths)
        size = self._name_size[0]
        if n == 1:
            return [(payloads[0], self._ffi_buffer(self._senders)[0:size])], self._ended_by[0]
        names = _splitter(n, size, size)(self._ffi_buffer(self._senders))
        return list(zip(payloads, names, strict=True)), self._ended_by[0]

    def _cut(self, slots: Arena, lengths: list[int]) -> list[bytes | None]:
        payloads: list[bytes | None] = []
        slot = self._slot
        large = _BATCH * slot
        for i, n in enumerate(lengths):
            start = i * slot if n <= slot else large + i * self._longest
            payloads.append(slots[start : start + n] if n >= 0 else None)
        return payloads

    def send_datagrams(self, fd: int, chunks: list[Chunk], names: list[bytes]) -> Sequence[tuple[int, int]]:
        """See ``Transport.send_datagrams``; sendmmsg(2)."""
        count = len(chunks)
        if count > self._failures_size:
            self._failures_size = 2 * count
            self._failures = native()[0].new("intptr_t[]", self._failures_size)
        lengths = list(map(len, chunks))
        pointers: Sequence[Array[bytes]] | Array[bytes] = self._no_pointers
        small = chunks
        if max(lengths, default=0) >= _BY_POINTER:
            small = [chunk for chunk in chunks if len(chunk) < _BY_POINTER]
            pointers = [
                self._ffi_from_buffer(chunk) if len(chunk) >= _BY_POINTER else self._no_pointers
                for chunk in chunks
            ]
        troubled = self._datagram_lib.nc_send_datagrams(
            fd, count, lengths, b"".join(small), pointers, b"".join(names), self._failures
        )
        if not troubled:
            return ()
        return [(i, code) for i, code in enumerate(self._ffi_unpack(self._failures, count)) if code]
