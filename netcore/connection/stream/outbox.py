"""What a turn has written to streams and not yet sent.

It is keyed by connection. An entry is a connection and a chunk in one object, which gets here by one append:
other threads that write although they must not, or a signal handler, may change the order of entries but
never what belongs together. What it is sent to is asked of the connection when the batch leaves, and is
nothing once its descriptor has been let go of: the number may be another's by then.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Sequence
from typing import Protocol

from netcore.connection.core import NO_FIELDS, BaseCounters, BaseDeadlines, Host, Payer
from netcore.connection.stream.files import OpenFiles
from netcore.sockets import Chunk, Transport, send_one_of

__all__ = ["Outbox", "Producer", "StreamHost", "Writer"]


class Writer(Payer, Protocol):
    """Whose entry it is."""

    deadlines: BaseDeadlines | None
    """Those of the connection."""
    wire: int
    """What its entries are sent to: its descriptor, or -1 from before that is closed."""

    bytes_sent: int
    """What was offered to the kernel, without what it has not taken."""

    def unsent(self, chunk: Chunk, n: int) -> None:
        """Takes back the end of a chunk that the kernel did not take.

        This comes for the entries of a batch in reverse order.

        Args:
            chunk: What was to be sent.
            n: How many bytes of it, counted from its end, were not.
        """

    def write_failed(self, code: int) -> None:
        """An entry failed with a negative errno."""

    def had_share(self) -> None:
        """So much was written for it in this turn as one writer may have, be it that the kernel took it."""


class Producer(Payer, Protocol):
    """Whose output is not made until it is sent, so that all writes of a turn are made into one piece."""

    def produce(self) -> None:
        """Adds the entries."""


_Entry = tuple[Writer, Chunk]


def _charge(payer: Payer | None, error: BaseException) -> None:
    """Stands in for a loop where there is none."""
    raise error


class BaseOutbox(abc.ABC):
    """What an outbox does, and how it tells writers of what was not sent. The loop's thread.

    Attributes:
        producers: Those that have more to add before the entries are sent.
        size: Bytes in all entries, and of what producers have taken.
        limit: The size from which a writer must have the outbox sent, by ``flush_early``, before it goes on.
    """

    __slots__ = NO_FIELDS

    producers: dict[Producer, None]
    size: int
    limit: float
    _counters: BaseCounters
    _charge: Callable[[Payer | None, BaseException], object]
    _send_one: Callable[[int, Chunk], int]

    @abc.abstractmethod
    def belong_to(self, thread: int, /) -> None:
        """Says which thread is the loop's, by its identifier; 0 for none."""

    @property
    @abc.abstractmethod
    def shared(self) -> bool:
        """Whether anybody's share of this turn was touched, so that ``begin_turn`` has something to do."""

    @abc.abstractmethod
    def __len__(self) -> int:
        """How many entries there are."""

    @abc.abstractmethod
    def add(self, writer: Writer, chunk: Chunk) -> None:
        """Notes a chunk down, unless it is empty."""

    @abc.abstractmethod
    def bytes_of(self, writer: Writer, /) -> int:
        """Counts the bytes noted down for one connection."""

    @abc.abstractmethod
    def writers(self) -> list[Writer]:
        """Lists whose entries there are, one for each entry."""

    @abc.abstractmethod
    def flush(self) -> None:
        """Sends everything; writers learn through ``unsent`` of what the kernel did not take."""

    @abc.abstractmethod
    def flush_early(self) -> None:
        """Sends everything in the midst of a turn, and tells writers that have had their share of it."""

    @abc.abstractmethod
    def has_had_share(self, writer: Writer, /) -> bool:
        """Whether a writer has been told so in this turn."""

    @abc.abstractmethod
    def begin_turn(self) -> None:
        """Begins the accounts anew."""

    @abc.abstractmethod
    def clear(self) -> None:
        """Forgets everything, in a forked child."""

    @abc.abstractmethod
    def count(self, writer: Writer, n: int, /) -> None:
        """Counts bytes that a writer has had of this turn, and that are no entries (any more)."""

    def send_now(self, writer: Writer, chunk: Chunk) -> None:
        """Sends a chunk at once, while nothing else is noted down: what is large gains nothing in a batch."""
        self._send_alone(writer, chunk)
        self.count(writer, len(chunk))

    def _send_alone(self, writer: Writer, chunk: Chunk) -> None:
        self._counters.bytes_sent += len(chunk)
        writer.bytes_sent += len(chunk)
        try:
            n = self._send_one(writer.wire, chunk)
            if n:
                self._take_back_one(writer, chunk, n)
        except BaseException as error:
            self._charge(writer, error)

    def _take_back(self, exceptions: Sequence[tuple[Writer, Chunk, int]]) -> None:
        """Tells writers what was not sent; backwards, since each puts it before what it has.

        Args:
            exceptions: In the order of the batch, and with each the result of the send.
        """
        rest = reversed(exceptions)
        writer: Writer | None = None
        while True:
            try:
                for writer, chunk, n in rest:
                    self._take_back_one(writer, chunk, n)
                return
            except BaseException as error:
                if writer is not None:
                    self._charge(writer, error)

    def _take_back_one(self, writer: Writer, chunk: Chunk, n: int) -> None:
        if n > 0:
            self._not_sent(writer, n)
            writer.unsent(chunk, n)
        else:
            self._not_sent(writer, len(chunk))
            writer.write_failed(n)

    def _not_sent(self, writer: Writer, n: int) -> None:
        self._counters.bytes_sent -= n
        writer.bytes_sent -= n

    def _produce(self) -> None:
        producers, self.producers = self.producers, {}
        for producer in producers:
            try:
                producer.produce()
            except BaseException as error:
                self._charge(producer, error)


class Outbox(BaseOutbox):
    """The entries of a turn in the order of writing; one batch of ``Transport.send``. The loop's thread.

    It is a structure as much as a queue: connections append entries themselves, since a call per write would
    cost more than the write.

    Args:
        sockets: What sends.
        counters: Where what was sent is counted.
        limit: See the attribute, for the beginning of a turn.
        charge: Has a writer pay for what could not be sent for its sake, whoever asked for the flush; see
            ``Host.charge``.
        share: Bytes that one writer may have of a turn.

    Attributes:
        entries: What to send, and whose it is.
        taken: Bytes that were sent before the end of the turn, by writer. So only a turn that writes much
            pays for the account, and that of the others is that it is looked at whether there is one.
    """

    __slots__ = (
        "_charge",
        "_counters",
        "_send_one",
        "_share",
        "_sockets",
        "_usual_limit",
        "entries",
        "limit",
        "producers",
        "size",
        "taken",
    )

    def __init__(
        self,
        sockets: Transport,
        counters: BaseCounters,
        limit: int,
        charge: Callable[[Payer | None, BaseException], object] = _charge,
        share: float = math.inf,
    ) -> None:
        self.entries: list[_Entry] = []
        self.producers = {}
        self.size = 0
        self.limit = limit
        self.taken: dict[Writer, int] = {}
        self._usual_limit = limit
        self._share = share
        self._sockets = sockets
        self._counters = counters
        self._charge = charge
        self._send_one = send_one_of(sockets)

    def belong_to(self, thread: int, /) -> None:
        """See ``BaseOutbox.belong_to``; who writes knows by himself."""

    @property
    def shared(self) -> bool:
        """See ``BaseOutbox.shared``."""
        return bool(self.taken)

    def __len__(self) -> int:
        return len(self.entries)

    def add(self, writer: Writer, chunk: Chunk) -> None:
        """See ``BaseOutbox.add``."""
        if chunk:
            self.entries.append((writer, chunk))
            self.size += len(chunk)

    def bytes_of(self, writer: Writer, /) -> int:
        """See ``BaseOutbox.bytes_of``."""
        return sum(len(chunk) for other, chunk in self.entries if other is writer)

    def writers(self) -> list[Writer]:
        """See ``BaseOutbox.writers``."""
        return [writer for writer, _ in self.entries]

    def flush_early(self) -> None:
        """See ``BaseOutbox.flush_early``."""
        if self.producers:
            self._produce()
        entries = self.entries
        if not entries:
            return
        written: dict[Writer, int] = {}
        if len({writer for writer, _ in entries}) == 1:
            written[entries[0][0]] = self.size
        else:
            for writer, chunk in entries:
                written[writer] = written.get(writer, 0) + len(chunk)
        self.flush()
        for writer, n in written.items():
            self.count(writer, n)

    def count(self, writer: Writer, n: int, /) -> None:
        """See ``BaseOutbox.count``."""
        self.taken[writer] = taken = self.taken.get(writer, 0) + n
        left = self._share - taken
        if left <= 0:
            writer.had_share()
        elif left < self.limit:  # so that it is noticed at the very write that makes it full
            self.limit = left

    def has_had_share(self, writer: Writer, /) -> bool:
        """See ``BaseOutbox.has_had_share``."""
        return self.taken.get(writer, 0) >= self._share

    def begin_turn(self) -> None:
        """See ``BaseOutbox.begin_turn``."""
        self.taken.clear()
        self.limit = self._usual_limit

    def flush(self) -> None:
        """See ``BaseOutbox.flush``."""
        if self.producers:
            self._produce()
        entries = self.entries
        count = len(entries)
        if count == 1:
            writer, chunk = entries.pop(0)
            self.size = 0
            self._send_alone(writer, chunk)
        elif count:
            # A copy: what another thread adds in the meantime, wrongly, belongs to the next batch.
            batch = entries[:count]
            del entries[:count]
            self._counters.bytes_sent += self.size
            self.size = 0
            try:
                wires = []
                for writer, chunk in batch:
                    wires.append(writer.wire)
                    writer.bytes_sent += len(chunk)
                exceptions = self._sockets.send(wires, [chunk for _, chunk in batch])
            except BaseException as error:
                exceptions = self._send_singly(batch, error)
            if exceptions:
                self._take_back([(*batch[i], n) for i, n in exceptions])

    def _send_singly(self, batch: Sequence[_Entry], cause: BaseException) -> list[tuple[int, int]]:
        """Sends a batch with which the sockets have failed, and of which they have sent nothing.

        Writers with which they fail once more pay, and those whose number is at fault alone.
        """
        if not isinstance(cause, Exception):
            self._charge(None, cause)
        exceptions: list[tuple[int, int]] = []
        full: set[Writer] = set()
        failed: set[Writer] = set()
        for i, (writer, chunk) in enumerate(batch):
            if writer in failed:
                self._not_sent(writer, len(chunk))
                continue
            try:
                n = len(chunk) if writer in full else self._send_one(writer.wire, chunk)
            except BaseException as error:
                failed.add(writer)
                self._not_sent(writer, len(chunk))
                self._charge(writer, error)
                continue
            if n:
                full.add(writer)
                exceptions.append((i, n))
        return exceptions

    def clear(self) -> None:
        """See ``BaseOutbox.clear``."""
        self.entries.clear()
        self.producers.clear()
        self.taken.clear()
        self.size = 0


class StreamHost(Host, Protocol):
    """The loop as its streams see it."""

    outbox: BaseOutbox
    """What this turn has written to streams."""
    open_files: OpenFiles
    """The files of which parts wait to be sent."""
