"""Batched socket I/O over the ring of an io_uring poller."""

from __future__ import annotations

from functools import partial

from netcore._native import address
from netcore._native.ring import Ring
from netcore.sockets.native import NativeSockets

__all__ = ["IoUringSockets"]


class IoUringSockets(NativeSockets):
    """``Sockets`` over ``src/io_uring_sockets.c``, sharing the ring of the loop's poller.

    While an attached connection is registered for reading, the kernel receives for it into buffers of the
    ring, and ``receive`` hands that over. Everything else is as natively; so is ``accept``, since what the
    kernel accepts ahead of being asked would be beyond every limit.
    """

    name = "io_uring"
    detaches = False  # the ring may have received for a connection already, and goes on to

    def __init__(self, ring: Ring, receive_cap: int = 65536, arena_size: int = 262144) -> None:
        """Allocates the arena.

        Args:
            ring: Of the poller that these sockets are registered with.
            receive_cap: Bytes taken from one socket in one receive.
            arena_size: Bytes of the arena, at least ``receive_cap``.
        """
        super().__init__(receive_cap, arena_size)
        self._ring = ring
        self._handle = ring.handle
        self._receive_from = partial(self._lib.nc_io_uring_receive_one, ring.handle)
        self._receive_many = partial(self._lib.nc_io_uring_receive, ring.handle)
        self._send_many = partial(self._lib.nc_io_uring_send, ring.handle)

    def hot_calls(self) -> dict[str, int]:
        """See ``NativeSockets.hot_calls``; those of the ring take it first."""
        names = ("receive", "receive_one", "send", "available")
        own = {name: address(f"nc_io_uring_{name}") for name in names}
        return {**super().hot_calls(), **own, "ring": address(self._handle), "close": 0}

    def attach(self, fd: int) -> None:
        """See ``Sockets.attach``."""
        self._ring.attached.add(fd)

    def close(self, fds: list[int]) -> None:
        """See ``Transport.close``; what the ring does with them is ended before, or there would be no FIN."""
        self._withdraw(fds)
        super().close(fds)

    def release(self, fds: list[int]) -> None:
        """See ``Transport.release``."""
        self._withdraw(fds)
        super().release(fds)

    def reset(self, fd: int) -> None:
        """See ``Transport.reset``."""
        self._withdraw([fd])
        super().reset(fd)

    def _withdraw(self, fds: list[int]) -> None:
        self._ring.attached.difference_update(fds)
        adopted = self._ring.adopted.intersection(fds)
        if adopted:
            self._ring.adopted -= adopted
            self._lib.nc_io_uring_release(self._handle, len(adopted), list(adopted))
