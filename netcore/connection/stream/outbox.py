"""What a turn has written to streams and not yet sent.

It is keyed by connection. An entry is a connection and a chunk in one object, which gets here by one append:
other threads that write although they must not, or a signal handler, may change the order of entries but
never what belongs together. What it is sent to is asked of the connection when the batch leaves, and is
nothing once its descriptor has been let go of: the number may be another's by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from netcore.connection.core import Counters, Host
from netcore.connection.stream.files import OpenFiles
from netcore.sockets import Chunk, Transport, send_one_of

__all__ = ["Outbox", "Producer", "StreamHost", "Writer"]


class Writer(Protocol):
    """Whose entry it is."""

    wire: int
    """What its entries are sent to: its descriptor, or -1 from before that is closed."""

    def unsent(self, chunk: Chunk, n: int) -> None:
        """Takes back the end of a chunk that the kernel did not take.

        This comes for the entries of a batch in reverse order.

        Args:
            chunk: What was to be sent.
            n: How many bytes of it, counted from its end, were not.
        """

    def write_failed(self, code: int) -> None:
        """An entry failed with a negative errno."""


class Producer(Protocol):
    """Whose output is not made until it is sent, so that all writes of a turn are made into one piece."""

    def produce(self) -> None:
        """Adds the entries."""


_Entry = tuple[Writer, Chunk]


class Outbox:
    """The entries of a turn in the order of writing; one batch of ``Transport.send``. The loop's thread.

    It is a structure as much as a queue: connections append entries themselves, since a call per write would
    cost more than the write.

    Args:
        sockets: What sends.
        counters: Where what was sent is counted.
        limit: See the attribute.

    Attributes:
        entries: What to send, and whose it is.
        producers: Those that have more to add before it is sent.
        size: Bytes in all entries, and of what producers have taken.
        limit: The size from which a writer must have the outbox sent before it goes on.
    """

    __slots__ = ("_counters", "_send_one", "_sockets", "entries", "limit", "producers", "size")

    def __init__(self, sockets: Transport, counters: Counters, limit: int) -> None:
        self.entries: list[_Entry] = []
        self.producers: dict[Producer, None] = {}
        self.size = 0
        self.limit = limit
        self._sockets = sockets
        self._counters = counters
        self._send_one = send_one_of(sockets)

    def add(self, writer: Writer, chunk: Chunk) -> None:
        """Notes a chunk down."""
        self.entries.append((writer, chunk))
        self.size += len(chunk)

    def bytes_of(self, writer: Writer) -> int:
        """Counts the bytes noted down for one connection."""
        return sum(len(chunk) for other, chunk in self.entries if other is writer)

    def flush(self) -> None:
        """Sends everything; writers learn through ``unsent`` of what the kernel did not take."""
        if self.producers:
            self._produce()
        entries = self.entries
        count = len(entries)
        if count == 1:
            writer, chunk = entries.pop(0)
            self.size = 0
            self._counters.bytes_sent += len(chunk)
            n = self._send_one(writer.wire, chunk)
            if n:
                self._take_back([(writer, chunk)], ((0, n),))
        elif count:
            # A copy: what another thread adds in the meantime, wrongly, belongs to the next batch.
            batch = entries[:count]
            del entries[:count]
            self._counters.bytes_sent += self.size
            self.size = 0
            wires = [writer.wire for writer, _ in batch]
            exceptions = self._sockets.send(wires, [chunk for _, chunk in batch])
            if exceptions:
                self._take_back(batch, exceptions)

    def _take_back(self, batch: Sequence[_Entry], exceptions: Sequence[tuple[int, int]]) -> None:
        """Tells writers what was not sent; backwards, since each puts it before what it has."""
        counters = self._counters
        for i, n in reversed(exceptions):
            writer, chunk = batch[i]
            if n > 0:
                counters.bytes_sent -= n
                writer.unsent(chunk, n)
            else:
                counters.bytes_sent -= len(chunk)
                writer.write_failed(n)

    def _produce(self) -> None:
        producers, self.producers = self.producers, {}
        for producer in producers:
            producer.produce()

    def clear(self) -> None:
        """Forgets everything, in a forked child."""
        self.entries.clear()
        self.producers.clear()
        self.size = 0


class StreamHost(Host, Protocol):
    """The loop as its streams see it."""

    outbox: Outbox
    """What this turn has written to streams."""
    open_files: OpenFiles
    """The files of which parts wait to be sent."""
