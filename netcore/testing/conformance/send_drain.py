"""Both sides of a transfer under short writes: a sender that goes on where it stopped, and a receiver."""

from __future__ import annotations

import random
import selectors
import socket
import time
from types import TracebackType

from netcore.sockets import Chunk
from netcore.testing.conformance import wires
from netcore.testing.conformance.rules import require
from netcore.testing.conformance.surroundings import Surroundings

__all__ = ["Drain", "Writer"]

_PACE = 0.0005
"""Seconds between two looks at what there is to receive."""


class Writer:
    """Cuts a text into chunks, and sends again what was left of them, as a connection does.

    Attributes:
        fd: The socket to send to.
        data: All that the peer must have received in the end.
        sent: How many bytes of it the kernel has taken.
    """

    def __init__(self, fd: int, data: bytes, rng: random.Random) -> None:
        self.fd = fd
        self.data = data
        self._rng = rng
        self.sent = 0

    @property
    def pending(self) -> bool:
        """Whether something has not been sent yet."""
        return self.sent < len(self.data)

    def next_chunks(self) -> list[Chunk]:
        """Returns chunks of many sizes, some empty, from where sending stopped."""
        chunks: list[Chunk] = []
        at = self.sent
        for _ in range(self._rng.choice((3, 20, 150))):
            size = self._rng.choice((0, 0, 1, 100, 100, 1000, 9000, 40000))
            chunks.append(self.data[at : at + size])
            at += size
        return chunks

    def settle(self, results: list[tuple[Chunk, int]]) -> None:
        """Takes the results of ``next_chunks``: chunk, and what ``send`` reported of it, 0 for nothing."""
        stopped = False
        for chunk, left in results:
            require(left >= 0, f"send() to a peer that receives fails with {left}.")
            if stopped:
                sentence = (
                    "after a short write not all later chunks of that socket are reported as left, in full."
                )
                require(left == len(chunk), sentence)
            self.sent += len(chunk) - left
            stopped = stopped or left > 0


class Drain:
    """Receives from several peers, beside what sends, until each has had a given number of bytes.

    Args:
        around: Where another thread is had from.

    Attributes:
        overdue: Whether none came for ``PATIENCE``.
        received: What each peer has got.
    """

    def __init__(self, around: Surroundings) -> None:
        self.overdue = False
        self._around = around
        self._selector = selectors.DefaultSelector()
        self._buffers: list[bytearray] = []
        self._sizes: list[int] = []
        self._last = 0.0

    @property
    def received(self) -> list[bytes]:
        """What each peer has got, in the order of ``add``."""
        return [bytes(buffer) for buffer in self._buffers]

    def add(self, peer: socket.socket, size: int) -> None:
        """Adds a peer. Before it begins."""
        self._selector.register(peer, selectors.EVENT_READ, len(self._buffers))
        self._buffers.append(bytearray())
        self._sizes.append(size)

    def __enter__(self) -> Drain:
        """Begins."""
        self._last = time.monotonic()
        self._receiving = self._around.beside(_PACE, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Waits for the end; after an exception does not wait for the bytes."""
        if error is not None:
            self._receiving.cancel()
        self._receiving.join()
        self._selector.close()

    def _receive(self) -> bool:
        """Receives what there is; returns whether there may be more."""
        now = time.monotonic()
        for key, _ in self._selector.select(0):
            self._receive_from(key)
            self._last = now
        self.overdue = now - self._last > wires.PATIENCE
        return bool(self._selector.get_map()) and not self.overdue

    def _receive_from(self, key: selectors.SelectorKey) -> None:
        peer, buffer = key.fileobj, self._buffers[key.data]
        if isinstance(peer, socket.socket):
            piece = peer.recv(5000)
            buffer += piece
            if not piece or len(buffer) >= self._sizes[key.data]:
                self._selector.unregister(peer)
