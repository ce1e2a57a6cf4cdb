"""The keys, their values, and when they expire."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TypeVar

from .errors import WRONG_TYPE, CommandError
from .scandict import ScanDict
from .values import String, Value, string_of

V = TypeVar("V", bound=Value)

_MIN_QUEUE = 64


class Keyspace:
    """A database.

    A key past its deadline is gone for every command (lazy expiry), and a periodic `expire_due` frees those
    that no command asks for (active expiry).

    Args:
        clock: the time since the epoch in seconds.

    Attributes:
        values: key to value; expired ones may still be in it, so commands look up through the methods.
        deadlines: when keys expire, in milliseconds since the epoch.
        hits: lookups by reading commands that found their key.
        misses: those that did not.
        expired: keys that have been removed because their time had come.
    """

    __slots__ = ("_clock", "_queue", "deadlines", "expired", "hits", "misses", "values")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.values: ScanDict[Value] = ScanDict()
        self.deadlines: dict[bytes, int] = {}
        self._queue: list[tuple[int, bytes]] = []
        self.hits = self.misses = self.expired = 0

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return int(self._clock() * 1000)

    # Looking up

    def peek(self, key: bytes) -> Value | None:
        """The value, whatever its type, for a command that will change it."""
        if self.deadlines:
            self._drop_if_due(key)
        return self.values.get(key)

    def lookup(self, key: bytes) -> Value | None:
        """The value, whatever its type, for a command that only reads it."""
        value = self.peek(key)
        if value is None:
            self.misses += 1
        else:
            self.hits += 1
        return value

    def find(self, key: bytes, kind: type[V]) -> V | None:
        """The value, for a command that will change it.

        Raises:
            CommandError: it is not of this kind.
        """
        if self.deadlines:
            self._drop_if_due(key)
        value = self.values.get(key)
        if value is None or type(value) is kind:
            return value
        raise CommandError(WRONG_TYPE)

    def read(self, key: bytes, kind: type[V]) -> V | None:
        """The value, for a command that only reads it.

        Raises:
            CommandError: it is not of this kind.
        """
        value = self.find(key, kind)
        if value is None:
            self.misses += 1
        else:
            self.hits += 1
        return value

    def find_or_create(self, key: bytes, kind: type[V]) -> V:
        """The value, for a command that will add to it, which has to be done for it must not stay empty.

        Raises:
            CommandError: it is not of this kind.
        """
        if self.deadlines:
            self._drop_if_due(key)
        value = self.values.get(key)
        if type(value) is kind:
            return value
        if value is not None:
            raise CommandError(WRONG_TYPE)
        new = kind()
        self.values.insert(key, new)
        return new

    def find_string(self, key: bytes) -> String | None:
        """`find` for strings, which come in several classes."""
        return string_of(self.peek(key))

    def read_string(self, key: bytes) -> String | None:
        """`read` for strings, which come in several classes."""
        if self.deadlines:
            self._drop_if_due(key)
        value = self.values.get(key)
        if value is None:
            self.misses += 1
            return None
        self.hits += 1
        return value if type(value) is bytes else string_of(value)

    # Changing

    def put(self, key: bytes, value: Value) -> None:
        """Store a value that replaces all there was: the key does not expire any more."""
        values = self.values
        if key in values:
            values[key] = value
            if self.deadlines:
                self.deadlines.pop(key, None)
        else:
            values.insert(key, value)

    def remove(self, key: bytes) -> bool:
        """Delete the key; tell whether it existed."""
        if self.deadlines:
            self._drop_if_due(key)
            self.deadlines.pop(key, None)
        return self.values.remove(key) is not None

    def clear(self) -> None:
        """Delete all keys."""
        self.values.clear()
        self.deadlines.clear()
        self._queue.clear()

    # Expiring

    def set_deadline(self, key: bytes, when: int) -> None:
        """Let an existing key expire at a time, milliseconds since the epoch; one in the past is fine."""
        self.deadlines[key] = when
        heapq.heappush(self._queue, (when, key))
        # A deadline that is changed leaves its old entry in the queue. Rebuilding when half of the entries
        # are such costs a constant share of setting them.
        if len(self._queue) > 2 * len(self.deadlines) + _MIN_QUEUE:
            self._queue = [(due, name) for name, due in self.deadlines.items()]
            heapq.heapify(self._queue)

    def drop_deadline(self, key: bytes) -> bool:
        """Let the key live forever; tell whether it had a deadline."""
        return self.deadlines.pop(key, None) is not None

    def expire_due(self, limit: int) -> bool:
        """Remove expired keys, at most so many; tell whether some may be left."""
        queue = self._queue
        now = self.now()
        for _ in range(limit):
            if not queue or queue[0][0] > now:
                return False
            when, key = heapq.heappop(queue)
            if self.deadlines.get(key) == when:
                self._drop_if_due(key)
        return True

    def _drop_if_due(self, key: bytes) -> None:
        deadline = self.deadlines.get(key)
        if deadline is not None and deadline <= self.now():
            del self.deadlines[key]
            self.values.remove(key)
            self.expired += 1
