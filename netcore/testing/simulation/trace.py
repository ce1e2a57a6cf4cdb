"""Everything that has happened in a simulated world: kept, counted, and made into one number to compare.

To note an event is to append a tuple to a list. Each time that a batch is full it goes into the digest,
column by column, which costs a quarter of what the same events cost one by one.
"""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from collections.abc import Callable, Collection, Iterator
from itertools import chain, islice
from os import PathLike
from typing import NamedTuple, Protocol
from zlib import crc32

from netcore.testing.simulation.arguments import whole
from netcore.testing.simulation.event import Event
from netcore.testing.simulation.page import page
from netcore.testing.simulation.table import table

__all__ = ["Difference", "Event", "Trace"]

_BATCH = 512
_MOST_MARKS = 4096
_MOST_SIZE = (1 << 63) - 1

_Noted = tuple[int, float, str, str, str, str, str, int, int, int]
"""The fields of an event, and the checksum of its payload."""


class Clock(Protocol):
    """Where a trace has the time from."""

    now: float


class Difference(NamedTuple):
    """Where two traces begin to differ.

    Attributes:
        number: The first event that differs, or a number before it if what differs is no longer kept.
        mine: This trace's event; None if it has ended before, or does not keep it.
        other: The other's.
        why: The same in words.
    """

    number: int
    mine: Event | None
    other: Event | None
    why: str

    def __str__(self) -> str:
        shown = [each for each in (self.mine, self.other) if each is not None]
        return "\n".join([self.why, *table(shown)]) if shown else self.why


class Trace:
    """What has happened, in its order. Of the thread that its world is on.

    Args:
        clock: Has the virtual time, in seconds, as ``now``.
        limit: How many events to keep, the last ones; None for all. The count and the digest cover all.
        seed: The world's, to be told to readers.

    Attributes:
        limit: As given.
        seed: As given.
    """

    def __init__(
        self, clock: Clock, limit: int | None = 100_000, seed: int | str | bytes | None = None
    ) -> None:
        if limit is not None:
            whole(limit, "a trace's limit", 0)
        self.limit = limit
        self.seed = seed
        self._clock = clock
        self._batch: list[_Noted] = []
        self._kept: deque[_Noted] = deque(maxlen=limit)
        self._hash = hashlib.blake2b(digest_size=16)
        self._count = 0
        # Digests on the way, by how many events they cover: all that is left of those no longer kept.
        self._marks: dict[int, bytes] = {}
        self._mark_each = _BATCH

    def note(
        self,
        kind: str,
        host: str = "",
        peer: str = "",
        flow: str = "",
        detail: str = "",
        size: int = 0,
        cause: int = -1,
        data: bytes | bytearray | memoryview = b"",
    ) -> int:
        """Adds an event that happens now; returns its number.

        Args:
            kind: See ``Event`` for this and what follows.
            host: Where it happens.
            peer: The other host.
            flow: The connection.
            detail: Free text; nothing that differs from run to run, such as an address in memory.
            size: Bytes of payload.
            cause: The event whose arrival or loss this is.
            data: The payload: it is not kept, but the digest covers it.

        Raises:
            TypeError: What should be text is none, or a number no int, or the data no bytes.
            ValueError: The size is negative, or the cause no event that there has been; or one is too large.
        """
        for what, text in zip(Event._fields[2:], (kind, host, peer, flow, detail), strict=False):
            if not isinstance(text, str):
                raise TypeError(f"{what} is {text!r}: it must be text")
        if whole(size, "size", 0) > _MOST_SIZE:
            raise ValueError(f"size is {size}: it must be below 2 ** 63")
        if whole(cause, "cause", -1) >= self._count:
            raise ValueError(f"cause is {cause}: it must be the number of an event before, or -1")
        return self.add(kind, host, peer, flow, detail, size, cause, data)

    def add(
        self,
        kind: str,
        host: str = "",
        peer: str = "",
        flow: str = "",
        detail: str = "",
        size: int = 0,
        cause: int = -1,
        data: bytes | bytearray | memoryview = b"",
    ) -> int:
        """Does what ``note`` does, without a look at what it is given: for the world's own events.

        :meta private:
        """
        number = self._count
        self._count = number + 1
        batch = self._batch
        checksum = crc32(data) if data else 0
        batch.append((number, self._clock.now, kind, host, peer, flow, detail, size, cause, checksum))
        if len(batch) == _BATCH:
            self._put_away()
        return number

    def _put_away(self) -> None:
        self._hash.update(_encode(self._batch))
        self._kept.extend(self._batch)
        self._batch.clear()
        if self._count % self._mark_each == 0:
            self._marks[self._count] = self._hash.digest()
            if len(self._marks) > _MOST_MARKS:
                self._mark_each *= 2
                self._marks = {n: mark for n, mark in self._marks.items() if n % self._mark_each == 0}

    @property
    def count(self) -> int:
        """How many events there have been, kept or not."""
        return self._count

    @property
    def left_off(self) -> int:
        """How many events, the first ones, are no longer kept."""
        return self._count - len(self)

    def digest(self) -> str:
        """Returns 32 hexadecimal digits that stand for all that has happened, payloads included.

        They are the same for the same events on every Python, platform and hash seed.
        """
        so_far = self._hash.copy()
        so_far.update(_encode(self._batch))
        return so_far.hexdigest()

    def __len__(self) -> int:
        """How many events are kept."""
        return self._count if self.limit is None else min(self._count, self.limit)

    def __iter__(self) -> Iterator[Event]:
        """Goes through what is kept, the oldest event first; those that are added meanwhile are left out."""
        return iter(self._events())

    def __getitem__(self, number: int) -> Event:
        """Returns the event of a number; -1 is the last one.

        Raises:
            IndexError: There has been no such event, or it is no longer kept.
        """
        return _event(self._noted(number))

    def _noted(self, number: int) -> _Noted:
        wanted = number + self._count if number < 0 else number
        if not 0 <= wanted < self._count:
            raise IndexError(f"there is no event {number}: there have been {self._count}")
        left_off = self.left_off
        if wanted < left_off:
            raise IndexError(f"event {wanted} is no longer kept: the first one that is has number {left_off}")
        recent = wanted - self._count + len(self._batch)
        return self._batch[recent] if recent >= 0 else self._kept[recent + len(self._kept)]

    def _events(self) -> list[Event]:
        """Returns what is kept as events."""
        more = len(self._kept) + len(self._batch) - len(self)
        noted = islice(chain(self._kept, self._batch), more, None)
        return [_event(each) for each in noted]

    def events(
        self,
        kind: str | Collection[str] | None = None,
        host: str | Collection[str] | None = None,
        flow: str | Collection[str] | None = None,
        since: float | None = None,
        until: float | None = None,
        where: Callable[[Event], bool] | None = None,
    ) -> list[Event]:
        """Returns the events that are kept and fit all that is asked for, the oldest first.

        Args:
            kind: Of this kind, or one of these.
            host: On this host, or one of these.
            flow: Of this connection, or one of these.
            since: At this virtual time in seconds, or later.
            until: At this virtual time, or earlier.
            where: Only those for which this is true.
        """
        kinds, hosts, flows = _set(kind), _set(host), _set(flow)
        return [
            event
            for event in self._events()
            if (kinds is None or event.kind in kinds)
            and (hosts is None or event.host in hosts)
            and (flows is None or event.flow in flows)
            and (since is None or event.time >= since)
            and (until is None or event.time <= until)
            and (where is None or where(event))
        ]

    def first_difference(self, other: Trace) -> Difference | None:
        """Tells where this trace and another one begin to differ; None if they do not.

        Two runs of one seed that differ take something from outside: the order of a set, the real time,
        another source of randomness. What first differs is close to it.

        Raises:
            TypeError: The other is no trace.
        """
        if not isinstance(other, Trace):
            raise TypeError(f"{other!r} is no trace")
        first, shorter = max(self.left_off, other.left_off), min(self._count, other._count)
        right, wrong = self._narrow(other, first)
        gone = f"they differ between events {right} and {wrong or first}, which are no longer kept"
        if wrong:
            return Difference(right, None, None, gone)
        unsure = f", or one before: from {right} to {first} they are no longer kept" if right < first else ""
        for number in range(first, shorter):
            mine, its = self._noted(number), other._noted(number)
            if mine != its:
                one, two = _event(mine), _event(its)
                fields = zip(Event._fields, one, two, strict=True)
                named = ", ".join(name for name, a, b in fields if a != b) or "payload"
                return Difference(number, one, two, f"event {number} differs in {named}{unsure}")
        if self._count == other._count:
            same = self.digest() == other.digest()
            return None if same else Difference(right, None, None, gone)
        ended = "this trace" if self._count == shorter else "the other trace"
        why = f"{ended} ends after {shorter} events{unsure}"
        return Difference(shorter, self._find(shorter), other._find(shorter), why)

    def _narrow(self, other: Trace, first: int) -> tuple[int, int]:
        """Returns up to which event both are surely the same, and before which they surely differ.

        Of those before ``first`` only; zero stands for none that is known.
        """
        right = 0
        for number, mark in self._marks.items():
            if number <= first and number in other._marks:
                if mark != other._marks[number]:
                    return right, number
                right = number
        return right, 0

    def _find(self, number: int) -> Event | None:
        return _event(self._noted(number)) if self.left_off <= number < self._count else None

    def tail(self, count: int = 20) -> str:
        """Returns a table of the last events, for messages.

        Raises:
            TypeError: The count is no int.
            ValueError: It is negative.
        """
        return "\n".join(table(self._events()[max(len(self) - whole(count, "count", 0), 0) :]))

    def __str__(self) -> str:
        return f"{self._summary()}\n{self.tail()}"

    def __repr__(self) -> str:
        return f"<Trace: {self._summary()}>"

    def _summary(self) -> str:
        seed = "" if self.seed is None else f"seed {self.seed!r}, "
        left_off = f", the first {self.left_off} not kept" if self.left_off else ""
        return f"{seed}{self._count} events{left_off}, digest {self.digest()}"

    def write_text(self, path: str | PathLike[str]) -> None:
        """Writes the events that are kept as a table."""
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(self._summary() + "\n")
            file.writelines(line + "\n" for line in table(self._events()))

    def write_html(self, path: str | PathLike[str]) -> None:
        """Writes the events that are kept as a page for a browser: one file, that needs no other."""
        shown = page(
            self._events(), seed=self.seed, digest=self.digest(), count=self._count, left_off=self.left_off
        )
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(shown)


def _set(wanted: str | Collection[str] | None) -> Collection[str] | None:
    return (wanted,) if isinstance(wanted, str) else wanted


def _event(noted: _Noted) -> Event:
    return Event._make(noted[:-1])


def _encode(batch: list[_Noted]) -> bytes:
    """Writes events in the one way that they can be: field by field, with the lengths of all texts."""
    if not batch:
        return b""
    _, times, kinds, hosts, peers, flows, details, sizes, causes, checksums = zip(*batch, strict=True)
    texts = kinds + hosts + peers + flows + details
    count = len(batch)
    numbers = struct.pack(
        f">{count}d{count}q{count}q{count}I{len(texts)}I",
        *times,
        *sizes,
        *causes,
        *checksums,
        *map(len, texts),
    )
    # Surrogates stand in names of files that are no UTF-8.
    return numbers + "".join(texts).encode("utf-8", "surrogatepass")
