"""What has been written to one datagram socket and not been sent.

Everything that a turn has written leaves at its end in one batch. Datagrams that the kernel does not take,
because its buffer is full, wait in order, and count for the water marks as the bytes of a stream do.

A datagram, its receiver and its sender are one entry, which gets here by one append: see ``stream.outbox``.
Those of a server may be kept in C (``hot.py``); what waits, and what has failed, is Python's.
"""

from __future__ import annotations

import abc
import errno
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, BinaryIO, Protocol

from netcore._arguments import check_method
from netcore._native import error as system_error
from netcore.buffer import copy_of
from netcore.connection.core import NO_FIELDS, OVERHEAD, Host, Payer, Served
from netcore.connection.datagram.nobody import NOBODY
from netcore.sockets import Chunk

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["BaseDatagramOutbox", "DatagramOutbox", "DatagramOwner", "Entry", "owned", "read_whole"]

_FULL = frozenset(
    -getattr(errno, name, errno.EAGAIN) for name in ("EAGAIN", "EWOULDBLOCK", "ENOBUFS", "WSAEWOULDBLOCK")
)

_LIMIT = 262144
"""Cost from which on a writer sends first: replies do not wait for a slow neighbour."""

_PER_REFILL = 256
"""Datagrams of the backlog that are tried in one turn."""

_SHARE = 4096
"""Datagrams that may be written in one turn before the outbox is not writable, be they empty."""


class DatagramOwner(Payer, Protocol):
    """What an outbox tells the one whose socket it serves."""

    def conn_to(self, name: bytes, /) -> Served:
        """Makes what is told of a failure, if nobody has kept the connection that wrote the datagram."""

    def send_failed(self, sender: Served, error: OSError) -> None:
        """A datagram could not be sent, at the end of a turn."""

    def overflowed(self, waiting: int) -> None:
        """A datagram was dropped since so many bytes are waiting already."""

    def had_share(self) -> None:
        """So much was written in this turn as one socket may have of it, be it that the kernel took it."""

    def sent(self, size: int) -> None:
        """So many bytes were offered to the kernel; less than none, for those that it has not taken."""

    def drained(self) -> None:
        """What is waiting has fallen to the low-water mark after it had reached the high one."""

    def watch_writable(self, on: bool) -> None:
        """Has ``refill`` called when the kernel takes more, or no longer."""


Entry = tuple[Chunk, bytes, "Served | None"]
"""A datagram, to whom it goes (packed), and what is told of a failure: None for one that is made then."""


class BaseDatagramOutbox(abc.ABC):
    """What this turn has written, and a backlog of what the kernel has refused.

    Its length is that of the former, in datagrams.

    Attributes:
        cost: Bytes of what this turn has written, and ``OVERHEAD`` for each datagram.
        limit: The cost from which on a writer must ``flush_early`` before it goes on.
        open: Whether anything can be written.
        congested: Whether waiting bytes have reached the high-water mark, and not yet fallen to the low one.
        waiting: Bytes in the backlog.
    """

    __slots__ = NO_FIELDS

    FIELDS = (
        "_failures",
        "_owner",
        "_taken",
        "_taken_bytes",
        "_turn",
        "congested",
        "waiting",
    )

    cost: int
    limit: int
    open: bool
    congested: bool
    waiting: int
    _backlog: deque[Entry]
    _failures: list[tuple[Served, int]]
    _fd: int
    _host: Host
    _owner: DatagramOwner
    _taken: int
    _taken_bytes: int
    _turn: int

    def __init__(self, owner: DatagramOwner) -> None:
        self.limit = min(_LIMIT, self._host.limits.high_water)
        self.congested = False
        self.waiting = 0
        self._owner = owner
        self._failures = []
        # What was sent before the end of a turn, and of which turn.
        self._turn = -1
        self._taken = self._taken_bytes = 0

    @abc.abstractmethod
    def __len__(self) -> int: ...

    @abc.abstractmethod
    def add(self, chunk: bytes, name: bytes, sender: Served | None, /) -> None:
        """Notes a datagram down."""

    @abc.abstractmethod
    def clear(self) -> None:
        """Forgets what this turn has written."""

    @abc.abstractmethod
    def flush(self) -> None:
        """Sends what has been written, or puts it behind what is waiting already."""

    @property
    def size(self) -> int:
        """Bytes of what this turn has written."""
        return self.cost - OVERHEAD * len(self)

    @property
    def buffered(self) -> int:
        """Bytes that have been written and not been sent."""
        return self.size + self.waiting

    @property
    def has_had_share(self) -> bool:
        """Whether this turn has written as much as one socket may have of it."""
        if self._turn != self._host.counters.turns:
            return False
        return self._taken >= _SHARE or self._taken_bytes >= self._host.limits.high_water

    @property
    def writable(self) -> bool:
        """Whether who minds the water marks goes on writing."""
        return self.open and not self.congested and not self.has_had_share

    @property
    def backed_up(self) -> bool:
        """Whether datagrams wait for the kernel to take more."""
        return bool(self._backlog)

    @property
    def is_empty(self) -> bool:
        """Whether everything has been sent."""
        return not len(self) and not self._backlog

    def settle(self) -> None:
        """See ``Settling``: sends what the turn has written, and tells the owner what came of it."""
        self.flush()
        failures, self._failures = self._failures, []
        owner = self._owner
        for sender, code in failures:
            owner.send_failed(sender, system_error(code))
        if self.congested and self.waiting <= self._host.limits.low_water:
            self.congested = False
            self._owner.drained()

    def flush_early(self) -> None:
        """Sends what has been written in the midst of a turn, and tells the owner if that was its share."""
        turn, high_water = self._host.counters.turns, self._host.limits.high_water
        if self._turn != turn:
            self._turn = turn
            self._taken = self._taken_bytes = 0
            self.limit = min(_LIMIT, high_water)
        self._taken += len(self)
        self._taken_bytes += self.size
        self.flush()
        if self.has_had_share:
            self._owner.had_share()
        else:  # so that it is noticed at the very write that makes it full
            self.limit = min(self.limit, high_water - self._taken_bytes)

    def refill(self) -> None:
        """Sends a part of the backlog, since the kernel takes more."""
        backlog = self._backlog
        batch = [backlog.popleft() for _ in range(min(len(backlog), _PER_REFILL))]
        if not batch:
            return
        self._host.settle_later(self)
        if refused := self._send(batch):
            backlog.extendleft(reversed(batch[-refused:]))
            del batch[-refused:]
        self.waiting -= sum([len(chunk) for chunk, _, _ in batch])
        if not backlog:
            self._owner.watch_writable(False)

    def finish(self) -> int:
        """Offers the kernel all that waits, for the last time; returns how many it has not taken."""
        self.settle()
        before = -1
        while self._backlog and len(self._backlog) != before:
            before = len(self._backlog)
            self.refill()
        return len(self._backlog)

    def _send(self, batch: list[Entry]) -> int:
        """Offers a batch to the kernel; returns how many at its end were refused because it is full."""
        if not self.open:  # written by a thread that must not: the descriptor may be another's by now
            return 0
        counters = self._host.counters
        try:
            chunks = [chunk for chunk, _, _ in batch]
            failures = self._host.sockets.send_datagrams(self._fd, chunks, [name for _, name, _ in batch])
        except BaseException as error:
            counters.datagrams_dropped += len(batch)
            self._host.charge(self, error)
            return 0
        self._owner.sent(counters.sent_datagrams(chunks))
        return self._judge(batch, failures)

    def _judge(self, batch: list[Entry], failures: Sequence[tuple[int, int]]) -> int:
        """Deals with what was counted as sent and was not; returns how many at the end were refused."""
        counters = self._host.counters
        for i, code in failures:
            if code in _FULL:
                self._owner.sent(counters.sent_datagrams([chunk for chunk, _, _ in batch[i:]], -1))
                return len(batch) - i
            chunk, name, sender = batch[i]
            self._owner.sent(counters.sent_datagrams([chunk], -1))
            self._failures.append((self._owner.conn_to(name) if sender is None else sender, code))
            self._host.settle_later(self)
        return 0

    def fault(self, error: Exception) -> None:
        """See ``Payer.fault``: the socket's owner pays."""
        self._owner.fault(error)

    def close(self) -> None:
        """Ends writing, and drops what waits."""
        self.open = False
        if self.waiting:
            self._host.freed(self.waiting)
        self._backlog.clear()
        self.clear()
        self.waiting = 0
        if not self._failures and not self.congested:  # of which ``settle`` tells
            self._owner = NOBODY

    def _queue(self, datagrams: Iterable[Entry]) -> None:
        limits = self._host.limits
        backlog = self._backlog
        if not backlog:
            self._owner.watch_writable(True)
        for each in datagrams:
            size = len(each[0])
            if self.waiting + size + OVERHEAD * len(backlog) > limits.max_outbound:
                self._owner.overflowed(self.waiting)
                if not self.open:
                    return
            else:
                backlog.append(each)
                self.waiting += size
        if self.waiting >= limits.high_water:
            self.congested = True
        self._host.settle_later(self)


class DatagramOutbox(BaseDatagramOutbox):
    """An outbox in Python; as in ``Outbox`` a hot writer appends entries itself.

    Attributes:
        entries: What this turn has written.
    """

    __slots__ = (*BaseDatagramOutbox.FIELDS, "_backlog", "_fd", "_host", "cost", "entries", "limit", "open")

    def __init__(self, host: Host, fd: int, owner: DatagramOwner) -> None:
        self.entries: list[Entry] = []
        self.cost = 0
        self.open = True
        self._host = host
        self._fd = fd
        self._backlog: deque[Entry] = deque()
        super().__init__(owner)

    def __len__(self) -> int:
        return len(self.entries)

    def add(self, chunk: bytes, name: bytes, sender: Served | None, /) -> None:
        """See ``BaseDatagramOutbox.add``."""
        if not self.entries:
            self._host.settle_later(self)
        self.entries.append((chunk, name, sender))
        self.cost += len(chunk) + OVERHEAD
        if self.cost >= self.limit:
            self.flush_early()

    def clear(self) -> None:
        """See ``BaseDatagramOutbox.clear``."""
        self.entries.clear()
        self.cost = 0

    def flush(self) -> None:
        """See ``BaseDatagramOutbox.flush``."""
        entries = self.entries
        count = len(entries)
        if not count:
            return
        # A copy: what another thread adds in the meantime, wrongly, belongs to the next batch.
        batch = entries[:count]
        del entries[:count]
        self.cost = 0
        if self._backlog:
            self._queue(batch)
        elif refused := self._send(batch):
            self._queue(batch[-refused:])


def owned(data: Buffer) -> bytes:
    """Makes of what was written one chunk that nobody changes."""
    return copy_of(data)


def read_whole(file: BinaryIO, write: Callable[[bytes], int]) -> int:
    """Writes what a file has, as one datagram; None makes none, as of a file that would block."""
    check_method(file, "read")
    data = file.read()
    return 0 if data is None else write(data)  # type: ignore[redundant-expr]
