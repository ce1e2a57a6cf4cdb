"""Both sides of a transfer under short writes: a sender that goes on where it stopped, and a receiver."""

from __future__ import annotations

import random
import selectors
import socket
import threading
import time
from types import TracebackType

from netcore.sockets import Chunk
from netcore.testing.conformance import wires
from netcore.testing.conformance.rules import require

__all__ = ["Drain", "Writer"]


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
    """A thread that receives from several peers until each has had a given number of bytes.

    Attributes:
        overdue: Whether none came for ``PATIENCE``.
        received: What each peer has got.
    """

    def __init__(self) -> None:
        self.overdue = False
        self._selector = selectors.DefaultSelector()
        self._buffers: list[bytearray] = []
        self._sizes: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def received(self) -> list[bytes]:
        """What each peer has got, in the order of ``add``."""
        return [bytes(buffer) for buffer in self._buffers]

    def add(self, peer: socket.socket, size: int) -> None:
        """Adds a peer. Before the thread runs."""
        self._selector.register(peer, selectors.EVENT_READ, len(self._buffers))
        self._buffers.append(bytearray())
        self._sizes.append(size)

    def __enter__(self) -> Drain:
        """Starts the thread."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Waits for the thread; after an exception does not wait for the bytes."""
        if error is not None:
            self._stop.set()
        self._thread.join()
        self._selector.close()

    def _run(self) -> None:
        last = time.monotonic()
        while self._selector.get_map() and not self._stop.is_set():
            for key, _ in self._selector.select(wires.PATIENCE / 20):
                self._receive(key)
                last = time.monotonic()
            if time.monotonic() - last > wires.PATIENCE:
                self.overdue = True
                return

    def _receive(self, key: selectors.SelectorKey) -> None:
        peer, buffer = key.fileobj, self._buffers[key.data]
        if isinstance(peer, socket.socket):
            piece = peer.recv(5000)
            buffer += piece
            if not piece or len(buffer) >= self._sizes[key.data]:
                self._selector.unregister(peer)
