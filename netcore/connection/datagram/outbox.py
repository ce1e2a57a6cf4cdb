"""What has been written to one datagram socket and not been sent.

Everything that a turn has written leaves at its end in one batch. Datagrams that the kernel does not take,
because its buffer is full, wait in order, and count for the water marks as the bytes of a stream do.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from netcore._native import error as system_error
from netcore.handler import Conn
from netcore.sockets import Chunk

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from netcore.connection.core.host import Host

__all__ = ["DatagramOutbox", "DatagramOwner", "owned"]

_FULL = frozenset(
    -getattr(errno, name, errno.EAGAIN) for name in ("EAGAIN", "EWOULDBLOCK", "ENOBUFS", "WSAEWOULDBLOCK")
)

_LIMIT = 262144
"""Bytes from which on a writer sends first: replies do not wait for a slow neighbour."""

_PER_REFILL = 256
"""Datagrams of the backlog that are tried in one turn."""

_OVERHEAD = 64
"""Bytes that a waiting datagram counts beside its own for the hard limit: very many may be empty."""


class DatagramOwner(Protocol):
    """What an outbox tells the one whose socket it serves."""

    def send_failed(self, sender: Conn, error: OSError) -> None:
        """A datagram could not be sent, at the end of a turn."""

    def overflowed(self, waiting: int) -> None:
        """A datagram was dropped since so many bytes are waiting already."""

    def drained(self) -> None:
        """What is waiting has fallen to the low-water mark after it had reached the high one."""

    def watch_writable(self, on: bool) -> None:
        """Has ``refill`` called when the kernel takes more, or no longer."""


class _Waiting(NamedTuple):
    chunk: Chunk
    name: bytes
    sender: Conn


class DatagramOutbox:
    """Three parallel lists of what this turn has written, and a backlog of what the kernel has refused.

    As in ``Outbox`` a hot writer appends to the lists itself.

    Attributes:
        chunks: The datagrams.
        names: To whom, packed.
        senders: What is told of a failure.
        size: Bytes in all chunks.
        limit: The size from which on a writer must ``flush`` before it goes on.
        open: Whether anything can be written.
        congested: Whether waiting bytes have reached the high-water mark, and not yet fallen to the low one.
        waiting: Bytes in the backlog.
    """

    __slots__ = (
        "_backlog",
        "_failures",
        "_fd",
        "_host",
        "_owner",
        "chunks",
        "congested",
        "limit",
        "names",
        "open",
        "senders",
        "size",
        "waiting",
    )

    def __init__(self, host: Host, fd: int, owner: DatagramOwner) -> None:
        self.chunks: list[Chunk] = []
        self.names: list[bytes] = []
        self.senders: list[Conn] = []
        self.size = 0
        self.limit = min(_LIMIT, host.limits.high_water)
        self.open = True
        self.congested = False
        self.waiting = 0
        self._host = host
        self._fd = fd
        self._owner = owner
        self._backlog: deque[_Waiting] = deque()
        self._failures: list[tuple[Conn, int]] = []

    def add(self, chunk: Chunk, name: bytes, sender: Conn) -> None:
        """Notes a datagram down."""
        if not self.chunks:
            self._host.settle_later(self)
        self.chunks.append(chunk)
        self.names.append(name)
        self.senders.append(sender)
        self.size += len(chunk)
        if self.size >= self.limit:
            self.flush()

    @property
    def buffered(self) -> int:
        """Bytes that have been written and not been sent."""
        return self.size + self.waiting

    @property
    def backed_up(self) -> bool:
        """Whether datagrams wait for the kernel to take more."""
        return bool(self._backlog)

    @property
    def is_empty(self) -> bool:
        """Whether everything has been sent."""
        return not self.chunks and not self._backlog

    def settle(self) -> None:
        """See ``Settling``: sends what the turn has written, and tells the owner what came of it."""
        self.flush()
        failures, self._failures = self._failures, []
        for sender, code in failures:
            self._owner.send_failed(sender, system_error(code))
        if self.congested and self.waiting <= self._host.limits.low_water:
            self.congested = False
            self._owner.drained()

    def flush(self) -> None:
        """Sends what has been written, or puts it behind what is waiting already."""
        chunks = self.chunks
        if not chunks:
            return
        names, senders = self.names, self.senders
        self.chunks, self.names, self.senders, self.size = [], [], [], 0
        if self._backlog:
            self._queue(map(_Waiting, chunks, names, senders))
            return
        failures = self._host.sockets.send_datagrams(self._fd, chunks, names)
        counters = self._host.counters
        counters.sent_datagrams(chunks)
        for i, code in failures:
            counters.sent_datagrams(chunks[i:] if code in _FULL else chunks[i : i + 1], -1)
            if code in _FULL:
                self._queue(map(_Waiting, chunks[i:], names[i:], senders[i:]))
                return
            self._fail(senders[i], code)

    def refill(self) -> None:
        """Sends a part of the backlog, since the kernel takes more."""
        backlog = self._backlog
        batch = [backlog.popleft() for _ in range(min(len(backlog), _PER_REFILL))]
        if not batch:
            return
        self._host.settle_later(self)
        chunks, names, senders = map(list, zip(*batch, strict=True))
        failures = self._host.sockets.send_datagrams(self._fd, chunks, names)
        counters = self._host.counters
        counters.sent_datagrams(chunks)
        for i, code in failures:
            counters.sent_datagrams(chunks[i:] if code in _FULL else chunks[i : i + 1], -1)
            if code in _FULL:
                backlog.extendleft(reversed(batch[i:]))
                del batch[i:]
                break
            self._fail(senders[i], code)
        self.waiting -= sum(len(each.chunk) for each in batch)
        if not backlog:
            self._owner.watch_writable(False)

    def close(self) -> None:
        """Ends writing, and drops what waits."""
        self.open = False
        self._backlog.clear()
        self.chunks.clear()
        self.names.clear()
        self.senders.clear()
        self.size = self.waiting = 0

    def _fail(self, sender: Conn, code: int) -> None:
        self._failures.append((sender, code))
        self._host.settle_later(self)

    def _queue(self, datagrams: Iterable[_Waiting]) -> None:
        limits = self._host.limits
        backlog = self._backlog
        if not backlog:
            self._owner.watch_writable(True)
        for each in datagrams:
            if self.waiting + len(each.chunk) + _OVERHEAD * len(backlog) > limits.max_outbound:
                self._owner.overflowed(self.waiting)
                if not self.open:
                    return
            else:
                backlog.append(each)
                self.waiting += len(each.chunk)
        if self.waiting >= limits.high_water:
            self.congested = True
        self._host.settle_later(self)


def owned(data: Buffer) -> bytes:
    """Makes of what was written one chunk that nobody changes."""
    return data if type(data) is bytes else bytes(memoryview(data))
